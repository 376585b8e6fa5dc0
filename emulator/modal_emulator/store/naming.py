"""
What objects may be called, and the words in which a name or an id is refused.

Every registry of names uses it: ours, and the one that several emulators share in a Redis.
"""

import re

from modal_emulator.ground.errors import AlreadyExists, Invalid, NotFound

__all__ = ["check_name", "name_taken", "no_such_id", "no_such_name"]

LONGEST_NAME = 64
_NAME = re.compile(r"[a-zA-Z0-9\-_.]+")
_APP_ID = re.compile(r"ap-[a-zA-Z0-9]{22}")


def check_name(word: str, name: str) -> None:
    """Raise Invalid unless objects may have this name (modal-semantics 1.9 [sdk])."""
    allowed = len(name) <= LONGEST_NAME and _NAME.fullmatch(name) and not _APP_ID.fullmatch(name)
    if not allowed:
        raise Invalid(
            f"Invalid {word} name: '{name}'.\n\n"
            "Names may contain only alphanumeric characters, dashes, periods, and underscores, "
            "must be shorter than 64 characters, and cannot conflict with App ID strings."
        )


def no_such_name(kind: str, environment: str, name: str, hint: str = "") -> NotFound:
    """Say that a name is not there (modal-semantics 1.9, 2.1, 8.1 [observed])."""
    return NotFound(f"{kind} '{name}' not found in environment '{environment}'{hint}")


def name_taken(kind: str, environment: str, name: str) -> AlreadyExists:
    """Say that a name is there: observed for secrets, and a guess for the rest (1.9, 8.1)."""
    return AlreadyExists(f"{kind} '{name}' already exists in environment '{environment}'")


def no_such_id(kind: str, object_id: str) -> NotFound:
    """
    Say that an id leads nowhere.

    The volume's text is from a mock by Modal's authors; the same shape was seen from the real
    server for function calls (modal-semantics 1.9, 8.1).
    """
    return NotFound(f"No {kind} with ID '{object_id}' found")
