"""The table of mounts."""

from pathlib import Path

import pytest

from modal_emulator.runtime import mountinfo
from modal_emulator.runtime.mountinfo import Mounted, is_in, mounted, mounts_below

TABLE = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw
28 27 0:25 / /mnt/with\\040space\\134 ro,nosuid shared:3 - tmpfs none ro
29 27 0:26 / /home rw - ext4 /dev/vdb rw
30 29 0:27 / /home rw - overlay overlay rw
"""


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_text(TABLE)
    monkeypatch.setattr(mountinfo, "_SOURCE", tmp_path / "mountinfo")


def test_the_last_mount_at_a_path_counts() -> None:
    assert mounted() == (
        Mounted("/", "ext4"),
        Mounted("/home", "overlay"),
        Mounted("/mnt/with space\\", "tmpfs"),
        Mounted("/proc", "proc"),
    )


def test_mounts_below_a_path() -> None:
    assert mounts_below(Path("/home")) == ("/home",)
    assert mounts_below(Path("/mnt")) == ("/mnt/with space\\",)
    assert mounts_below(Path("/hom")) == ()


def test_systems_without_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mountinfo, "_SOURCE", Path("/none"))
    assert mounted() == ()


def test_being_in_a_path() -> None:
    assert is_in("/a/b", "/a") and is_in("/a", "/a") and is_in("/a", "/")
    assert not is_in("/ab", "/a") and not is_in("/", "/a")
