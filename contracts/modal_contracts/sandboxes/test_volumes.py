"""Volumes in Sandboxes, where nothing inside can commit or reload."""

from modal_contracts.clause import clause
from modal_contracts.evidence import documented, live_tested
from modal_contracts.sandboxes.boxes import app, box, end, said
from modal_contracts.scene import Scene, content
from modal_contracts.target import Capability

__all__ = ()

FILES = documented("guide/sandbox-files")
RELOADS = live_tested("js/test/sandbox.test.ts", "SandboxReloadVolumes")
NEEDS = [Capability.SANDBOXES, Capability.PROGRAMS]


@clause("sandboxes/what-it-wrote-is-there-after-its-end", FILES, needs=NEEDS)
def test_what_it_wrote_is_there_after_its_end(scene: Scene) -> None:
    """When a Sandbox was terminated and is over, its volumes hold what its commands wrote."""
    volume = scene.volume()
    sandbox = box(app(scene), volume=volume)
    said(sandbox, "echo text > /data/file")
    end(sandbox)
    assert content(volume, "file") == b"text\n"


@clause(
    "sandboxes/the-next-one-sees-what-it-left",
    live_tested("js/test/sandbox.test.ts", "SandboxWithSubPathVolume"),
    needs=NEEDS,
)
def test_the_next_one_sees_what_it_left(scene: Scene) -> None:
    """A Sandbox that ended by itself has committed before the next one starts."""
    volume, where = scene.volume(), app(scene)
    box(where, "sh", "-c", "echo text > /data/file", volume=volume).wait()
    assert said(box(where, volume=volume), "cat /data/file") == "text\n"


@clause("sandboxes/two-see-each-other-after-reloads", RELOADS, since="1.1.0", needs=NEEDS)
def test_two_see_each_other_after_reloads(scene: Scene) -> None:
    """A write is seen in another Sandbox once its own and then the other one has reloaded."""
    volume, where = scene.volume(), app(scene)
    writer, reader = box(where, volume=volume), box(where, volume=volume)
    said(writer, "touch /data/file")
    assert said(reader, "ls /data") == ""
    writer.reload_volumes()
    assert said(writer, "ls /data") == "file\n"
    assert said(reader, "ls /data") == ""
    reader.reload_volumes()
    assert scene.eventually(lambda: said(reader, "ls /data") == "file\n")


@clause(
    "sandboxes/a-read-only-volume-refuses-writes",
    live_tested("js/test/sandbox.test.ts", "SandboxWithReadOnlyVolume"),
    since="1.1.0",
    needs=[*NEEDS, Capability.READ_ONLY_MOUNTS],
)
def test_a_read_only_volume_refuses_writes(scene: Scene) -> None:
    """A command that writes to a volume mounted read-only fails, and says why."""
    volume = scene.volume(there="text")
    sandbox = box(app(scene), volumes={"/data": volume.read_only()})
    process = sandbox.exec("sh", "-c", "cat /data/there.txt; echo more > /data/file")
    assert process.stdout.read() == "text"
    assert "Read-only file system" in process.stderr.read()
    assert process.wait() != 0


@clause("sandboxes/functions-see-what-it-committed", FILES, needs=NEEDS)
def test_functions_see_what_it_committed(scene: Scene) -> None:
    """A container that starts after a Sandbox has ended sees what that one wrote."""
    volume = scene.volume()
    box(app(scene), "sh", "-c", "printf text > /data/file", volume=volume).wait()
    assert scene.container(volume).read("file") == "text"
