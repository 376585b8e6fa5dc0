"""The support page: printed from tables, and known to be stale."""

from pathlib import Path

import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from modal_emulator.rpc import support
from modal_emulator.rpc.call import Call
from modal_emulator.rpc.registry import FAMILIES, rpcs
from modal_emulator.rpc.tables import accepted, full, partly
from modal_emulator.world import World


async def answer(_world: World, _call: Call[Empty]) -> Message:
    """Answer nothing."""
    return Empty()


TABLES = {
    "Volumes": {"VolumeCommit": full(answer), "VolumeList": partly(answer, "one page | no more")},
    "Apps": {"AppHeartbeat": accepted(Empty, "apps live as long as the server")},
}
NAMES = {"VolumeCommit", "VolumeList", "AppHeartbeat", "TunnelStart"}


def test_each_call_stands_once_with_its_level() -> None:
    lines = list(support.lines(TABLES, NAMES))
    assert [(line.family, line.name, line.level) for line in lines] == [
        ("Volumes", "VolumeCommit", "full"),
        ("Volumes", "VolumeList", "partly"),
        ("Apps", "AppHeartbeat", "accepted"),
        ("", "TunnelStart", "not built"),
    ]


def test_page_shows_notes_and_counts() -> None:
    page = support.page(TABLES, NAMES)
    assert r"| `VolumeList` | partly | one page \| no more |" in page
    assert "| `AppHeartbeat` | accepted | apps live as long as the server |" in page
    assert "| not built | 1 |" in page
    assert page.rstrip().endswith("`TunnelStart`")


def test_lines_of_the_page_stay_short() -> None:
    absent = {f"SomeCallOfModals{number}" for number in range(50)}
    page = support.page({}, absent)
    assert max(map(len, page.partition("## Not built")[2].splitlines())) <= 100
    assert all(f"`{name}`" in page for name in absent)


def test_stale_page_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert support.main(["--check"]) == 1
    assert "is stale" in capsys.readouterr().err
    assert support.main([]) == 0
    assert support.main(["--check"]) == 0
    page = tmp_path / support.PAGE
    page.write_text(page.read_text().replace("VolumeCommit", "VolumeComet"))
    assert support.main(["--check"]) == 1


def test_no_call_stands_in_two_tables() -> None:
    assert sum(map(len, FAMILIES.values())) == len(rpcs())


def test_notes_say_why() -> None:
    """What is partly there, or accepted without doing anything, is explained."""
    silent = [name for name, rpc in rpcs().items() if rpc.level.value != "full" and not rpc.note]
    assert silent == []
