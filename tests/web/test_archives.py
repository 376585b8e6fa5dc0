"""Archives over the side door: whole or not at all, whoever goes away in the middle."""

import io
import socket
import tarfile
import threading
from urllib.parse import urlsplit

import pytest

from helpers import eventually
from modal_emulator.ground.errors import EmulatorError
from modal_emulator.rpc.remote import Remote
from modal_emulator.store import tars

BIG = 32 << 20


@pytest.fixture
def remote(modal_emulator):
    return Remote(modal_emulator.environment)


def archive(count=1, size=BIG):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for number in range(count):
            header = tarfile.TarInfo(f"f{number}")
            header.size = size
            tar.addfile(header, io.BytesIO(bytes(size)))
    made.seek(0)
    return made


@pytest.fixture
def volume(modal_emulator):
    volume = modal_emulator.volume("shelf", create=True)
    volume.import_(archive())
    return volume


def asked(remote, method, **more):
    return remote.ask(method, name="shelf", **more)["url"]


def send(url, head, body=b""):
    """Send bytes as they are; return the connection."""
    where = urlsplit(url)
    connection = socket.create_connection((where.hostname, where.port), 60)
    connection.sendall(head.format(path=where.path).encode() + body)
    return connection


def held(modal_emulator):
    """Say whether anything is held of a volume, in the emulator's own words."""

    async def read():
        volumes = modal_emulator._emulator.world.volumes
        lines = volumes._lines._lines.values()
        return any(line.shelf.held for line in lines)

    return modal_emulator._run(read())


def test_a_reader_that_goes_away_holds_nothing(modal_emulator, remote, volume):
    connection = send(asked(remote, "VolumeExport"), "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.recv(1000)
    assert held(modal_emulator)
    connection.close()
    assert eventually(lambda: not held(modal_emulator))


def test_a_version_that_cannot_be_read_to_its_end_is_not_taken_for_whole(
    modal_emulator, remote, volume, monkeypatch
):
    def broken(edition, sink):
        sink.write(bytes(100_000))
        raise OSError(5, "Input/output error")

    url = asked(remote, "VolumeExport")
    monkeypatch.setattr("modal_emulator.web.archives.pack", broken)
    with pytest.raises(EmulatorError, match="broke off"), remote.fetch(url) as body:
        while body.read(1 << 16):
            pass
    assert not held(modal_emulator)


def test_a_writer_that_goes_away_changes_nothing(modal_emulator, remote, volume):
    head = "PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
    connection = send(asked(remote, "VolumeImport"), head, archive().read()[: 1 << 20])
    assert eventually(lambda: held(modal_emulator))
    connection.close()
    assert eventually(lambda: not held(modal_emulator))
    assert len(volume.versions) == 1


def test_a_refusal_is_heard_while_sending(remote, volume):
    """Far more is on its way than fits between the two when the first name is refused."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../x"))
    with pytest.raises(EmulatorError, match=r"'\.\./x' leads out of the Volume"):
        remote.bring(asked(remote, "VolumeImport"), io.BytesIO(made.getvalue() + bytes(BIG)))
    assert len(volume.versions) == 1


@pytest.mark.parametrize(("verb", "method"), [("GET", "VolumeImport"), ("PUT", "VolumeExport")])
def test_a_url_is_good_for_one_thing(remote, volume, verb, method):
    head = verb + " {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    with send(asked(remote, method), head) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 404")


def test_a_version_that_went_meanwhile_is_told(modal_emulator, remote, volume):
    url = asked(remote, "VolumeExport")
    modal_emulator.reset()
    with pytest.raises(EmulatorError, match="unknown or has expired"), remote.fetch(url):
        pass


def test_many_come_and_go_at_once(modal_emulator, remote, volume):
    """Each is one version, and a reader's archive is one version, whole."""
    failed = []

    def bring(number):
        try:
            made = archive(count=3, size=100_000)
            remote.bring(asked(remote, "VolumeImport"), made)
            with remote.fetch(asked(remote, "VolumeExport", version=1)) as body:
                assert sum(1 for _ in tars.read(body)) == 2
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=bring, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert [record.number for record in volume.versions] == list(range(1, 8))
    assert volume.head.paths() == ["f0", "f1", "f2"]
    # Who reads an archive has it whole before the thread that wrote it has said so.
    assert eventually(lambda: not held(modal_emulator))
