"""
Modal's own command, imported once and forked for each use.

Importing it takes a second or more, which tests that use it a dozen times cannot pay each time.
Reads one JSON object per line: arguments, environment, directory and where to put the output;
answers each with the exit code.
"""

import json
import os
import sys

from modal.__main__ import main


def become(job: dict) -> None:
    """Be the command from here on."""
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(job["directory"])
    output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["modal", *job["arguments"]]
    sys.exit(main())


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        become(json.loads(line))
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
