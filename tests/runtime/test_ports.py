import fcntl
import socket
import struct

import pytest

from modal_emulator.runtime.ports import host_of_ports, show_eth0

ASKED = struct.pack("256s", b"eth0")


@pytest.fixture
def asking() -> socket.socket:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        yield asked


def test_the_sdk_is_told_an_address_for_eth0(asking):
    from modal._runtime.asgi import get_ip_address

    before = fcntl.ioctl
    shown = ["127.0.0.9"]
    take_back = show_eth0(lambda: shown[0])
    try:
        assert get_ip_address(b"eth0") == "127.0.0.9"
        assert get_ip_address(b"lo") == "127.0.0.1"
        name, family, _, address = struct.unpack_from(
            "=16sHH4s", fcntl.ioctl(asking, 0x8915, ASKED)
        )
        assert (name[:4], family, address) == (b"eth0", socket.AF_INET, b"\x7f\0\0\x09")
        shown[0] = None
        with pytest.raises(OSError, match="No such device"):
            fcntl.ioctl(asking, 0x8915, struct.pack("256s", b"eth99"))
    finally:
        take_back()
    assert fcntl.ioctl is before


def test_only_who_listens_on_all_addresses_is_found():
    for bound, is_found in (("0.0.0.0", True), ("127.0.0.1", False)):
        with socket.create_server((bound, 0)) as server:
            try:
                socket.create_connection((host_of_ports(), server.getsockname()[1]), 5).close()
                assert is_found
            except ConnectionRefusedError:
                assert not is_found
