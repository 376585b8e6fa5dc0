"""git keeps a repository on a volume."""

import pytest

from boxes import ONE, Do, both_versions

# git makes hard links, which version 1 refuses to every program only where calls are watched.
pytestmark = pytest.mark.modal(runtime="process")

IDENTITY = "git config user.name Ann; git config user.email ann@example.com"


@both_versions
def test_a_repository_is_worked_on_by_two_in_turn(boxes: tuple[Do, Do], top: str) -> None:
    ann, bob = boxes
    ann("copy_sources", f"{top}/repo")
    ann("shell", f"cd {top}/repo; git init -q; {IDENTITY}; git add -A; git commit -qm first")
    ann("commit", top)
    ann("shell", f"cd {top}/repo; git mv message.py moved.py; git commit -qam second; git gc -q")
    ann("commit", top)

    assert bob("reload", top) == ""
    look = "git fsck --strict --no-progress; git log --format=%s"
    found = bob("shell", f"cd {top}/repo; git status --porcelain; {look}")
    assert found.split() == ["second", "first"]
    # On version 2 git makes hard links, and refuses them when it sees that a file of an earlier
    # version of the volume got another inode by that; on version 1 it copies by itself.
    clone = "git clone -q" if top == ONE else "git clone -q --no-hardlinks"
    bob("shell", f"{clone} {top}/repo {top}/clone; {clone} --bare {top}/repo {top}/bare")
    bob(
        "shell",
        f"cd {top}/clone; {IDENTITY}; git remote add bare {top}/bare; git checkout -qb new; "
        "echo 1 > new.txt; git add new.txt; git commit -qm third; git push -q bare new",
    )
    bob("commit", top)

    assert ann("reload", top) == ""
    found = ann("shell", f"cd {top}/bare; {look} new")
    assert found.split() == ["third", "second", "first"]
    ann("shell", f"cd {top}/repo; git fetch -q {top}/bare new; git merge -q FETCH_HEAD")
    assert ann("shell", f"cat {top}/repo/new.txt") == "1\n"
