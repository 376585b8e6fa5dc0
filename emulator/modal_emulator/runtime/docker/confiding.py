"""
Secrets for the commands of a build, of which the image keeps nothing.

Docker gives every command those build arguments that have the names of proxies, though no ARG line
asks for them, and keeps just these out of the image, out of its history, and out of what it tells
cached layers apart by. So the variables travel as one of them, written for a shell, and each
command begins with taking them out.
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping

from modal_emulator.runtime.images import BuildFailed

__all__ = ["confide", "unsaid"]

_CARRIERS = ("FTP_PROXY", "ftp_proxy")
_LONGEST = 2**17 - 64
"""What the kernel lets one variable be, with some room for its name."""
_RUN = re.compile(r"(\s*RUN\s+)(.*)", re.IGNORECASE | re.DOTALL)


def confide(
    commands: Iterable[str], arguments: Mapping[str, str], secrets: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """
    Return the lines of a Dockerfile and the build arguments with which its commands see these.

    Raises:
        BuildFailed: they cannot be brought there.
    """
    lines = "\n".join(commands).split("\n")
    if not secrets:
        return lines, dict(arguments)
    carrier = next((name for name in _CARRIERS if name not in arguments), "")
    if not carrier:
        raise BuildFailed(f"secrets need one of the build arguments {', '.join(_CARRIERS)}")
    script = "export " + " ".join(f"{key}={shlex.quote(each)}" for key, each in secrets.items())
    if len(script.encode()) > _LONGEST:
        raise BuildFailed(f"the secrets of one build are longer than {_LONGEST} bytes")
    taught = [_taught(instruction, _taking(carrier)) for instruction in _instructions(lines)]
    return taught, {**arguments, carrier: script}


def unsaid(text: str) -> str:
    """Return what Docker says of a command as if that began as the user wrote it."""
    for carrier in _CARRIERS:
        text = text.replace(_taking(carrier), "")
    return text


def _taking(carrier: str) -> str:
    return f'eval "${carrier}"; unset {carrier}; '


def _instructions(lines: Iterable[str]) -> Iterator[str]:
    """Yield what belongs together; a comment or an empty line does not end what is not done."""
    begun: list[str] = []
    for line in lines:
        is_nothing = not line.strip() or line.lstrip().startswith("#")
        begun.append(line)
        if not (is_nothing and len(begun) > 1) and (is_nothing or not line.rstrip().endswith("\\")):
            yield "\n".join(begun)
            begun = []
    yield from begun


def _taught(instruction: str, taking: str) -> str:
    found = _RUN.fullmatch(instruction)
    if found is None:
        return instruction
    words = _words(found[2])
    if words is None:
        return f"{found[1]}{taking}{found[2]}"
    return found[1] + json.dumps(["/bin/sh", "-c", f'{taking}exec "$@"', "sh", *words])


def _words(text: str) -> list[str] | None:
    """Return the words of a command that is not for a shell."""
    try:
        words = json.loads(text.replace("\\\n", ""))
    except ValueError:
        return None
    return words if isinstance(words, list) and all(isinstance(w, str) for w in words) else None
