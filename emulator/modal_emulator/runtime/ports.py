"""
At which address the ports are that code in a container opens.

A container shares the machine's network. The SDK in it looks for a web server at the address of
`eth0`, which machines call otherwise or do not have; it is told one on loopback where only those
are reached who listen on all addresses, as web servers on Modal have to.
"""

import fcntl
import socket
import struct
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from modal_emulator.runtime.replacing import wrap_one

__all__ = ["host_of_ports", "show_eth0"]

_SIOCGIFADDR = 0x8915
_NAME = b"eth0"


def host_of_ports() -> str:
    """Return the host at which a container's ports are found, from inside and from outside."""
    # Only Linux has all of 127.0.0.0/8 on loopback without being told.
    return "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"


def show_eth0(address: Callable[[], str | None]) -> Callable[[], None]:
    """
    Have code that asks for the address of `eth0` find this one; returns what takes that back.

    None leaves the answer to the machine.
    """

    def answering(original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def ioctl(fd: Any, request: int, arg: Any = 0, mutate_flag: bool = True, /) -> Any:
            if request == _SIOCGIFADDR and isinstance(arg, bytes):
                shown = address() if arg.rstrip(b"\0") == _NAME else None
                if shown is not None:
                    # struct ifreq: the name, and a struct sockaddr_in with the address
                    there = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(shown))
                    return arg[:16] + there + arg[32:]
            return original(fd, request, arg, mutate_flag)

        return ioctl

    return wrap_one(fcntl, "ioctl", answering)
