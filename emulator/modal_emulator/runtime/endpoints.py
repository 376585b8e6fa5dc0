"""
The addresses of sockets as system calls carry them: `struct sockaddr_in` and `sockaddr_in6`.

What is none of the two, such as the name of a unix socket, is None here.
"""

import ipaddress
import socket
import struct
from dataclasses import dataclass

__all__ = ["LONGEST", "Endpoint"]

LONGEST = 28
_FAMILY = struct.Struct("=H")
_FOUR = struct.Struct("!2xH4s")
_SIX = struct.Struct("!2xHI16s")
_MAPPED = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and a port."""

    family: int
    """Of the socket: one of IPv6 can speak IPv4, too."""
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int

    @classmethod
    def parse(cls, data: bytes) -> "Endpoint | None":
        """Read what a process gave to bind(2) or connect(2)."""
        if len(data) < _FOUR.size:
            return None
        (family,) = _FAMILY.unpack_from(data)
        if family == socket.AF_INET:
            port, four = _FOUR.unpack_from(data)
            return cls(family, ipaddress.IPv4Address(four), port)
        if family == socket.AF_INET6 and len(data) >= _SIX.size:
            port, _, six = _SIX.unpack_from(data)
            if six.startswith(_MAPPED):
                return cls(family, ipaddress.IPv4Address(six[12:]), port)
            return cls(family, ipaddress.IPv6Address(six), port)
        return None

    @property
    def is_any(self) -> bool:
        """Whether it means all addresses; to connect there means the machine itself."""
        return self.address.is_unspecified

    @property
    def is_loopback(self) -> bool:
        """Whether it is 127.0.0.1 or ::1; the other addresses of 127.0.0.0/8 mean what they say."""
        return str(self.address) in ("127.0.0.1", "::1")
