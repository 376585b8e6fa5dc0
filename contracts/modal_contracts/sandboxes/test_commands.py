"""What the commands of a Sandbox are given and give back."""

import modal

from modal_contracts.clause import clause
from modal_contracts.evidence import assumed, documented, inferred
from modal_contracts.sandboxes.boxes import app, box, end, said
from modal_contracts.scene import Scene
from modal_contracts.target import Capability

__all__ = ()

SANDBOXES = documented("guide/sandboxes")
COMMANDS = documented("guide/sandbox-spawn")
NEEDS = [Capability.SANDBOXES]


@clause("sandboxes/its-command-is-heard", SANDBOXES, needs=NEEDS)
def test_its_command_is_heard(scene: Scene) -> None:
    """What the first command of a Sandbox writes can be read, apart for its two streams."""
    sandbox = box(app(scene), "sh", "-c", "echo out; echo err >&2")
    assert (sandbox.stdout.read(), sandbox.stderr.read()) == ("out\n", "err\n")


@clause("sandboxes/it-ends-with-its-command", SANDBOXES, needs=NEEDS)
def test_it_ends_with_its_command(scene: Scene) -> None:
    """A Sandbox ends when its first command does, with that one's exit code."""
    sandbox = box(app(scene), "sh", "-c", "read line; exit 5")
    assert sandbox.poll() is None
    sandbox.stdin.write(b"go\n")
    sandbox.stdin.drain()
    sandbox.wait()
    assert (sandbox.returncode, sandbox.poll()) == (5, 5)


@clause("sandboxes/input-reaches-its-command", SANDBOXES, needs=NEEDS)
def test_input_reaches_its_command(scene: Scene) -> None:
    """What is written to the input of a Sandbox its first command reads, and then the end."""
    sandbox = box(app(scene), "cat")
    sandbox.stdin.write(b"one\ntwo")
    sandbox.stdin.write_eof()
    sandbox.stdin.drain()
    assert sandbox.stdout.read() == "one\ntwo"


@clause("sandboxes/commands-run-beside-it", COMMANDS, needs=NEEDS)
def test_commands_run_beside_it(scene: Scene) -> None:
    """Further commands have streams and an exit code of their own; the Sandbox goes on."""
    sandbox = box(app(scene))
    process = sandbox.exec("sh", "-c", "cat; echo err >&2; exit 3")
    process.stdin.write(b"in")
    process.stdin.write_eof()
    process.stdin.drain()
    assert (process.stdout.read(), process.stderr.read(), process.wait()) == ("in", "err\n", 3)
    assert sandbox.poll() is None


@clause(
    "sandboxes/a-signal-is-told-as-shells-do",
    inferred("modal/container_process.py", "_ContainerProcess.wait"),
    needs=NEEDS,
)
def test_a_signal_is_told_as_shells_do(scene: Scene) -> None:
    """A command that a signal ended has 128 and the signal's number as its exit code."""
    process = box(app(scene)).exec("sh", "-c", "kill -9 $$")
    assert process.wait() == 137


@clause("sandboxes/a-command-has-its-own-surroundings", COMMANDS, needs=NEEDS)
def test_a_command_has_its_own_surroundings(scene: Scene) -> None:
    """A command sees the Sandbox's secrets and those that it is given, in its own directory."""
    sandbox = box(app(scene), secrets=[modal.Secret.from_dict({"ONE": "1"})])
    more = [modal.Secret.from_dict({"TWO": "2"})]
    shown = said(sandbox, 'echo "$ONE $TWO $(pwd)"', secrets=more, workdir="/usr")
    assert shown == "1 2 /usr\n"
    assert said(sandbox, 'echo "$ONE $TWO"') == "1 \n"


@clause(
    "sandboxes/many-bytes-arrive",
    assumed("Most uses of commands would be impossible if output were cut short."),
    needs=NEEDS,
)
def test_many_bytes_arrive(scene: Scene) -> None:
    """Output of many megabytes that is no text arrives whole."""
    process = box(app(scene)).exec("sh", "-c", "head -c 5000000 /dev/zero", text=False)
    data = process.stdout.read()
    assert (len(data), process.wait()) == (5_000_000, 0)


@clause(
    "sandboxes/terminate-ends-it-with-137",
    SANDBOXES,
    needs=NEEDS,
)
def test_terminate_ends_it_with_137(scene: Scene) -> None:
    """A Sandbox that was terminated has the exit code 137."""
    sandbox = box(app(scene))
    assert end(sandbox) == 137
    assert sandbox.poll() == 137


@clause("sandboxes/it-ends-after-its-timeout", SANDBOXES, needs=[*NEEDS, Capability.CLOCK])
def test_it_ends_after_its_timeout(scene: Scene) -> None:
    """A Sandbox ends when its timeout is over, whatever it does; its exit code is then 124."""
    sandbox = box(app(scene), timeout=6000)
    scene.advance(seconds=5000)
    assert sandbox.poll() is None
    scene.advance(seconds=2000)
    assert scene.eventually(lambda: sandbox.poll() == 124)


@clause(
    "sandboxes/it-ends-when-it-is-idle",
    SANDBOXES,
    since="1.1.4",
    needs=[*NEEDS, Capability.CLOCK],
)
def test_it_ends_when_it_is_idle(scene: Scene) -> None:
    """A Sandbox in which no further command runs ends after its idle timeout."""
    sandbox = box(app(scene), timeout=6000, idle_timeout=60)
    process = sandbox.exec("cat")
    scene.advance(seconds=100)
    assert sandbox.poll() is None
    process.stdin.write_eof()
    process.stdin.drain()
    process.wait()
    scene.advance(seconds=100)
    assert scene.eventually(lambda: sandbox.poll() is not None)
