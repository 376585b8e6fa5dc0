"""Functions replaced wherever they are kept; in a process of its own, for it is for good."""

import subprocess
import sys

SCRIPT = """
import os, posix, sys, types

keeper = types.ModuleType("keeper")
sys.modules["keeper"] = keeper
exec(
    '''
from os import stat
from posix import listdir as listing
open_file = open

class Kept:
    stat = stat
    listing = staticmethod(listing)
    def method(self, look=stat):
        return look("x")

def default(look=listing):
    return look("x")

def other(look=len):
    return look("xy")
''',
    keeper.__dict__,
)

from modal_emulator.runtime.replacing import Places

import functools, subprocess, _posixsubprocess
def wrap(original):
    @functools.wraps(original)
    def wrapper(*arguments):
        return original(*arguments)

    return wrapper

_posixsubprocess.fork_exec = wrapper = wrap(_posixsubprocess.fork_exec)  # by others, earlier

places = Places()
new_stat, new_listing = (lambda path: "new stat"), (lambda path: "new listing")
assert os.stat in os.supports_fd
places.replace({(posix, "stat"): new_stat, (posix, "listdir"): new_listing})

assert os.stat("x") == posix.stat("x") == keeper.stat("x") == "new stat"
assert keeper.listing("x") == os.listdir("x") == "new listing"
assert keeper.Kept().stat("x") == keeper.Kept.stat("x") == "new stat"
assert keeper.Kept().listing("x") == "new listing"
assert keeper.Kept().method() == "new stat"
assert keeper.default() == "new listing"
assert keeper.other() == 2
assert keeper.open_file is open
assert os.stat in os.supports_fd  # the new one
from os import stat as later
assert later is new_stat

put_back = places.replace({(_posixsubprocess, "fork_exec"): lambda *arguments: 7})
assert _posixsubprocess.fork_exec is wrapper and wrapper() == 7
put_back()
assert type(wrapper.__closure__[0].cell_contents) is type(len)
"""


def test_every_place_gets_the_new_function() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
