"""Running Python as a user without any rights."""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

__all__ = ["as_nobody", "interpreter"]

NOBODY = 65534
NEEDS = "import modal, modal_emulator, pytest"
TESTS = Path(__file__).parent


def interpreter() -> str:
    """
    Return a Python of this version that everybody may run, with our packages.

    Ours may be in root's home, and the packages in a place that is root's alone.
    """
    version = "{}.{}".format(*sys.version_info)
    for name in (sys.executable, f"/usr/local/bin/python{version}", f"/usr/bin/python{version}"):
        if Path(name).exists() and as_nobody(name, "-c", NEEDS, code=None).returncode == 0:
            return name
    pytest.skip("no Python of this version here that a user without rights may run with modal")


def as_nobody(*command: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
    """Run a command in an empty temporary directory, where it leaves nothing."""
    packages = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    sources = [str(TESTS.parent / name) for name in ("emulator", "contracts")]
    with tempfile.TemporaryDirectory(prefix="nb-") as place:
        os.chown(place, NOBODY, NOBODY)
        try:
            done = subprocess.run(
                command,
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                cwd="/",
                env={
                    "PATH": os.environ["PATH"],
                    "TMPDIR": place,
                    "PYTHONPATH": os.pathsep.join((*packages, *sources, str(TESTS))),
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                capture_output=True,
                text=True,
            )
        except PermissionError:
            return subprocess.CompletedProcess(command, 126)
        left = [path.name for path in Path(place).iterdir()]
    assert code is None or done.returncode == code, done.stdout + done.stderr
    assert [name for name in left if not name.startswith("pytest-of-")] == []
    return done
