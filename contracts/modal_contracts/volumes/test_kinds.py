"""Entries that are no plain files, and names and trees at their limits."""

import os
import stat

import modal
import pytest

from modal_contracts import bodies, feats
from modal_contracts.clause import both_versions, clause
from modal_contracts.evidence import assumed, inferred
from modal_contracts.scene import DATA, Scene, content, paths, upload

__all__ = ()

LINKS = assumed("a link is listed as one; it is assumed that the service never leaves the volume")
NAMES = assumed("no limits of names are documented; it is assumed that Linux's limits hold")
MIB = 1024 * 1024


@clause(
    "volumes/pipes-and-sockets-are-listed-as-such",
    inferred("modal/types.py", "FileEntryType.FIFO"),
    since="1.1.0",
)
def test_pipes_and_sockets_are_listed_as_such(scene: Scene) -> None:
    """Pipes and sockets are committed and listed with types of their own."""
    volume = scene.volume()
    writer, reader = scene.containers(2, volume)
    writer.run(feats.make_special_files, DATA)
    writer.commit()
    types = {entry.path: entry.type.name for entry in volume.listdir("/")}
    assert types == {"pipe": "FIFO", "socket": "SOCKET"}
    assert stat.S_ISFIFO(reader.run(feats.shape, f"{DATA}/pipe")[2])
    assert stat.S_ISSOCK(reader.run(feats.shape, f"{DATA}/socket")[2])


@both_versions
@clause("volumes/no-link-leads-out-of-the-volume", LINKS, since="1.3.0")
def test_no_link_leads_out_of_the_volume(scene: Scene, version: int) -> None:
    """A link to a file of the machine is committed as it is, and cannot be read from outside."""
    volume = scene.volume(version)
    container = scene.container(volume)
    links = {"absolute": "/etc/passwd", "relative": "../../../../etc/passwd", "broken": "nothing"}
    for name, target in links.items():
        container.run(os.symlink, target, f"{DATA}/{name}")
    container.commit()
    assert {entry.type.name for entry in volume.listdir("/")} == {"SYMLINK"}
    for name in links:
        with pytest.raises((modal.exception.Error, OSError)):
            content(volume, name)


@both_versions
@clause(
    "volumes/a-link-within-the-volume-is-read-through",
    assumed("a mount shows the file behind such a link; the service is assumed to do the same"),
)
def test_a_link_within_the_volume_is_read_through(scene: Scene, version: int) -> None:
    """A link to a file of the same volume is read as that file, also by way of the mount path."""
    volume = scene.volume(version)
    upload(volume, {"deep/a.txt": b"1"})
    container = scene.container(volume)
    container.run(os.symlink, "deep/a.txt", f"{DATA}/relative")
    container.run(os.symlink, f"/__modal/volumes/{volume.object_id}/deep", f"{DATA}/absolute")
    container.commit()
    assert content(volume, "relative") == b"1"
    assert content(volume, "absolute/a.txt") == b"1"


@clause("volumes/a-link-to-a-directory-is-listed-once", LINKS)
def test_a_link_to_a_directory_is_listed_once(scene: Scene) -> None:
    """A recursive listing does not go into links, so one that leads in a circle does no harm."""
    volume = scene.volume()
    upload(volume, {"deep/a.txt": b"1"})
    container = scene.container(volume)
    container.run(os.symlink, "..", f"{DATA}/deep/up")
    container.run(os.symlink, "deep", f"{DATA}/down")
    container.commit()
    assert paths(volume) == ["deep", "deep/a.txt", "deep/up", "down"]
    assert container.read("down/up/deep/a.txt") == "1"


@both_versions
@clause(
    "volumes/a-hole-stays-a-hole",
    assumed("blocks are stored without the zeros at their end; of holes nothing is documented"),
)
def test_a_hole_stays_a_hole(scene: Scene, version: int) -> None:
    """A sparse file takes no more room after a commit, and its zeros are read as zeros."""
    volume = scene.volume(version)
    writer, reader = scene.containers(2, volume)
    writer.run(feats.make_sparse, f"{DATA}/sparse", 64 * MIB)
    writer.commit()
    size, taken, _ = reader.run(feats.shape, f"{DATA}/sparse")
    assert size == 64 * MIB
    assert taken <= MIB
    (entry,) = volume.listdir("sparse")
    assert entry.size == 64 * MIB
    assert content(volume, "sparse") == bytes(64 * MIB - 3) + b"end"


@both_versions
@clause("volumes/a-name-may-have-255-bytes", NAMES)
def test_a_name_may_have_255_bytes(scene: Scene, version: int) -> None:
    """A name of 255 bytes is committed and uploaded; one of 256 is refused by the system."""
    volume = scene.volume(version)
    written, uploaded = "w" * 255, "ü" * 127 + "u"
    container = scene.container(volume)
    container.write(written, "1")
    assert container.run(bodies.error_number, bodies.write, f"{DATA}/{written}w", "1") is not None
    container.commit()
    upload(volume, {uploaded: b"2"})
    assert paths(volume) == [written, uploaded]
    container.reload()
    assert container.read(uploaded) == "2"


@clause("volumes/odd-bytes-in-names-are-kept", NAMES)
def test_odd_bytes_in_names_are_kept(scene: Scene) -> None:
    """A name that is not UTF-8 is seen by other containers as it was written."""
    odd = os.fsdecode(b"odd-\xff-\x01\n.txt")
    writer, reader = scene.containers(2, scene.volume())
    writer.write(odd, "1")
    writer.commit()
    assert reader.names() == [odd]
    assert reader.read(odd) == "1"
    reader.remove(odd)
    reader.commit()
    writer.reload()
    assert writer.names() == []


@pytest.mark.parametrize("name", ["n" * 250, "name-of-20-characters"], ids=["long", "deep"])
@clause("volumes/a-tree-may-be-as-deep-as-paths-are-long", NAMES)
def test_a_tree_may_be_as_deep_as_paths_are_long(scene: Scene, name: str) -> None:
    """A tree is committed, listed, read and removed whose paths are near 4,000 bytes long."""
    volume = scene.volume()
    writer, reader = scene.containers(2, volume)
    reader.start()
    names = [name] * (3900 // (len(name) + 1))
    deep = "/".join(names)
    writer.run(feats.dig, DATA, names)
    writer.commit()
    assert content(volume, f"{deep}/a.txt") == b"1"
    assert len(paths(volume)) == deep.count("/") + 2
    reader.reload()
    assert reader.read(f"{deep}/a.txt") == "1"
    reader.run(os.rename, f"{DATA}/{name}", f"{DATA}/moved")
    reader.commit()
    assert paths(volume, recursive=False) == ["moved"]
    volume.remove_file("moved", recursive=True)
    assert paths(volume) == []
