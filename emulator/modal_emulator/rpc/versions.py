"""Which SDKs have called: newer ones than known are accepted, with one warning each."""

import logging
from collections.abc import Mapping

from packaging.version import InvalidVersion, Version

__all__ = ["NEWEST_KNOWN", "Versions"]

NEWEST_KNOWN = "1.6.4"
PYTHON_CLIENTS = frozenset(("1", "2", "3"))  # client, worker, container; 7 to 9 are JS and Go
LOG = logging.getLogger("modal_emulator")


class Versions:
    """Remembers the versions seen."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def see(self, metadata: Mapping[str, str]) -> None:
        """Note the caller's version; warn once if it is newer than any that was tried."""
        if metadata.get("x-modal-client-type") not in PYTHON_CLIENTS:
            return
        version = metadata.get("x-modal-client-version", "")
        if version in self._seen:
            return
        self._seen.add(version)
        try:
            newer = Version(version) > Version(NEWEST_KNOWN)
        except InvalidVersion:
            return
        if newer:
            LOG.warning(
                "modal %s is newer than %s, the newest that this modal-emulator was tried with; "
                "calls that it does not know are answered with UNIMPLEMENTED",
                version,
                NEWEST_KNOWN,
            )
