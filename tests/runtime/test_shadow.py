"""Which paths are looked up elsewhere."""

from pathlib import Path

import pytest

from modal_emulator.runtime.shadow import Shadow

SHADOW = Shadow("/s", ("/data", "/root"), ("/data",), ("/root/.pyenv",))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/data", "/s/data"),
        ("/data/a/b", "/s/data/a/b"),
        ("/database", "/database"),
        ("//data/a", "/s/data/a"),
        ("/./data/a", "/s/data/a"),
        ("/etc/../data", "/s/data"),
        ("/data/../etc", "/s/data/../etc"),
        ("/root/.pyenv/bin", "/root/.pyenv/bin"),
        ("/root/.pyenvs", "/s/root/.pyenvs"),
        ("data", "data"),
        ("", ""),
        ("/", "/"),
    ],
)
def test_paths_go_in(path: str, found: str) -> None:
    assert SHADOW.inside(path) == found


@pytest.mark.parametrize(
    ("path", "named"),
    [("/s/data/a", "/data/a"), ("/s", "/"), ("/sx", "/sx"), ("/etc", "/etc"), ("a", "a")],
)
def test_and_come_out_again(path: str, named: str) -> None:
    assert SHADOW.outside(path) == named


def test_read_only_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert SHADOW.forbids("/data/x") and SHADOW.forbids("/data/../data/x")
    assert not SHADOW.forbids("/root/x")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    here = Shadow(str(tmp_path), ("/data",), ("/data",))
    assert here.forbids("x") and not here.forbids("../x")
