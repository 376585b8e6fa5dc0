"""What an image's Python says of itself, asked once when the image is made."""

import json
import platform
import sys
import sysconfig
from dataclasses import dataclass, field

__all__ = ["QUESTION", "Facts", "facts_from", "facts_here"]

QUESTION = (
    "import json, platform, sys, sysconfig\n"
    "print(json.dumps([list(sys.version_info[:3]), sysconfig.get_config_var('SOABI') or '',"
    " list(platform.libc_ver()), platform.machine()]))\n"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """One Python; without one, `trouble` says why."""

    python: tuple[int, ...] | None = None
    abi: str = ""
    """Such as cpython-311-x86_64-linux-gnu: what compiled modules must be made for."""
    libc: tuple[str, ...] = ("", "")
    machine: str = ""
    trouble: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    working_directory: str = ""

    @property
    def compiled_for(self) -> str:
        """A name that two Pythons share when compiled modules of one run on the other."""
        return self.abi

    @property
    def platforms(self) -> tuple[str, ...]:
        """What pip calls the platforms whose wheels run there."""
        if "musl" in self.abi or not self.libc[0]:
            return tuple(f"musllinux_1_{minor}_{self.machine}" for minor in (2, 1))
        newest = int(self.libc[1].split(".")[1] or 17)
        old = (f"manylinux2014_{self.machine}",)
        return (*(f"manylinux_2_{n}_{self.machine}" for n in range(newest, 16, -1)), *old)


def facts_here() -> Facts:
    """Return them for this Python."""
    return Facts(
        tuple(sys.version_info[:3]),
        str(sysconfig.get_config_var("SOABI") or ""),
        platform.libc_ver(),
        platform.machine(),
    )


def facts_from(printed: str, environment: dict[str, str], working_directory: str) -> Facts:
    """Read what `QUESTION` printed."""
    try:
        version, abi, libc, machine = json.loads(printed.strip().splitlines()[-1])
    except (ValueError, IndexError):
        trouble = printed.strip()[-500:] or "it printed nothing"
        return Facts(trouble=trouble, environment=environment, working_directory=working_directory)
    return Facts(tuple(version), abi, tuple(libc), machine, "", environment, working_directory)
