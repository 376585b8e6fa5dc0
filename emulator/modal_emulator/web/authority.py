"""
The throw-away certificate authority that speaks for what is served over TLS.

One for each emulator, made when somebody first asks for it. Its key stays in memory and is gone
with the emulator, so its certificate is worth nothing to anybody else; clients are told to trust
it by the file `ca.pem` beside what the emulator keeps.
"""

import ssl
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trustme

__all__ = ["Authority"]

_ORGANISATION = "modal-emulator, a throw-away authority"


class Authority:
    """Vouches for names on this machine."""

    def __init__(self, file: Path) -> None:
        """Have the certificate lie in `file` from the first question on."""
        self._file = file

    @property
    def file(self) -> Path:
        """Where clients find the certificate, as PEM."""
        _ = self._ca
        return self._file

    @property
    def certificate(self) -> bytes:
        """What clients have to trust, as PEM."""
        return self._ca.cert_pem.bytes()

    def server_context(self, *names: str, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """
        Return what a server needs to be believed when it is called by one of these names.

        A name is that of a host, `*.example.com`, or an address; `alpn` are the protocols that
        the server offers, the best first.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    def close(self) -> None:
        """Take the file away: after this nobody can prove to be what it vouches for."""
        if "_ca" in self.__dict__:
            with suppress(OSError):
                self._file.unlink()

    @cached_property
    def _ca(self) -> "trustme.CA":
        # Only now: it stands on `cryptography`, whose import would be a third of a start.
        import trustme

        made = trustme.CA(organization_name=_ORGANISATION)
        self._file.write_bytes(made.cert_pem.bytes())
        return made
