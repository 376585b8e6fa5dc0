"""With overlays of the running kernel: what it shows, what is stored and what is listed are one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("kernel.py")
OPTIONS = ["redirect_dir=on,metacopy=off,index=off", "redirect_dir=off,metacopy=off", "userxattr"]


def in_namespace(*command: str) -> list[str]:
    """Return how to run a command where it may mount, and where its mounts go with it."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--mount", "--propagation", "private", *command]


def may_mount(options: str, directory: Path) -> bool:
    for name in ("l", "u", "w", "m"):
        (directory / name).mkdir()
    given = f"lowerdir={directory}/l,upperdir={directory}/u,workdir={directory}/w,{options}"
    command = in_namespace("mount", "-t", "overlay", "-o", given, "x", str(directory / "m"))
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
def test_the_kernel_shows_what_is_stored(tmp_path, options):
    probe, work = tmp_path / "probe", tmp_path / "work"
    probe.mkdir()
    work.mkdir()
    if not may_mount(options, probe):
        pytest.skip(f"this machine does not let us mount overlays with {options}")
    command = in_namespace(sys.executable, str(PROGRAM), str(work), options, "1")
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    versions, redirects = map(int, ended.stdout.split())
    assert versions > 10
    assert redirects > 0 or "redirect_dir=on" not in options
