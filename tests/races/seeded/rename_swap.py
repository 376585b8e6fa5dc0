"""
A site that is replaced by two renames of its directory.

Between them there is no site. In the container that is a moment; a commit in the background makes
it the newest version, and requests fail until the next commit. Right: leave the directories where
they are, and let one small file, put in place by one rename, say which one counts.
"""

from pathlib import Path

import modal

from modal_emulator.emulator import Running
from races.case import Bug, Program, Twin, at_once

volume = modal.Volume.from_name("sites", create_if_missing=True)
SITES = Path("/sites")
CURRENT = SITES / "current"
broken = modal.App("sites-broken")
fixed = modal.App("sites-fixed")


@broken.function(volumes={str(SITES): volume})
def publish() -> None:
    (SITES / "site").rename(SITES / "site.old")
    (SITES / "site.new").rename(SITES / "site")
    volume.commit()


@broken.function(volumes={str(SITES): volume})
def page() -> str:
    volume.reload()
    return (SITES / "site" / "index.html").read_text()


@fixed.function(volumes={str(SITES): volume})
def publish_beside() -> None:
    draft = SITES / "current.new"
    draft.write_text("site-2")
    draft.replace(CURRENT)
    volume.commit()


@fixed.function(volumes={str(SITES): volume})
def current_page() -> str:
    volume.reload()
    return (SITES / CURRENT.read_text() / "index.html").read_text()


def two_sites(running: Running) -> None:
    running.volume("sites").write(
        {
            "site/index.html": "old",
            "site.new/index.html": "new",
            "site-1/index.html": "old",
            "site-2/index.html": "new",
            "current": "site-1",
        }
    )


def visited_meanwhile(publishing: modal.Function, visiting: modal.Function) -> Program:
    def program(_: Running) -> None:
        assert at_once([publishing], [visiting])[1] in ("old", "new")

    return program


BUG = Bug(
    Twin(broken, visited_meanwhile(publish, page)),
    Twin(fixed, visited_meanwhile(publish_beside, current_page)),
    setup=two_sites,
    options={"background_commits": "drawn"},
)
