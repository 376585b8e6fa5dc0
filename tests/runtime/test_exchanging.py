"""Directories that change places."""

import errno
from pathlib import Path

import pytest

from modal_emulator.runtime import kernel
from modal_emulator.runtime.exchanging import exchange


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    return tmp_path / "one", tmp_path / "other"


@pytest.mark.parametrize("at_once", [True, False])
def test_each_gets_what_the_other_had(pair: tuple[Path, Path], at_once: bool) -> None:
    exchange(*pair, at_once=at_once)
    assert [[entry.name for entry in each.iterdir()] for each in pair] == [["other"], ["one"]]
    assert len(list(pair[0].parent.iterdir())) == 2


def test_what_the_file_system_cannot_is_done_in_steps(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*names: Path) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(kernel, "exchange", refuse)
    number = errno.EINVAL
    exchange(*pair)
    assert (pair[0] / "other").exists()
    number = errno.EACCES
    with pytest.raises(OSError, match="no"):
        exchange(*pair)
    assert (pair[0] / "other").exists()
