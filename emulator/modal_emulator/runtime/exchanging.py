"""
Two directories that change places, so that nobody ever finds none of them.

Linux does that in one step. Elsewhere, and on file systems that cannot, there is a moment without.
"""

import errno
import os
import sys
from pathlib import Path

from modal_emulator.runtime import kernel

__all__ = ["exchange"]

_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EXDEV)


def exchange(one: Path, other: Path, *, at_once: bool = sys.platform.startswith("linux")) -> None:
    """Give two directories next to one another each other's names."""
    if at_once:
        try:
            kernel.exchange(one, other)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
        else:
            return
    between = one.with_name(f"{one.name}.between")
    os.rename(one, between)  # noqa: PTH104
    os.rename(other, one)  # noqa: PTH104
    os.rename(between, other)  # noqa: PTH104
