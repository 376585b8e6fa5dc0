"""The environment that code in a thread container sees, and what the process keeps."""

import asyncio
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from threadyard import ThreadYard

INSIDE = {"PATH": "/usr/bin:/bin", "HOME": "/home/me", "SECRET": "s3"}


def in_container(yard: ThreadYard, function: Any) -> Any:
    async def story() -> Any:
        try:
            return await yard.call(function, environment=INSIDE)
        finally:
            await yard.close()

    return asyncio.run(story())


def test_every_way_of_asking_shows_the_containers(
    yard: ThreadYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTSIDE", "1")

    def ask() -> Any:
        assert os.environ.copy() == dict(os.environ) == {**os.environ} == INSIDE
        assert {os.fsdecode(k): os.fsdecode(v) for k, v in os.environb.items()} == INSIDE
        assert sorted(os.environ) == sorted(INSIDE)
        assert len(os.environ) == 3
        assert ("SECRET" in os.environ, b"SECRET" in os.environb) == (True, True)
        assert "OUTSIDE" not in os.environ
        assert os.getenv("SECRET") == os.environ.get("SECRET") == os.environ["SECRET"] == "s3"
        assert (os.getenv("OUTSIDE", "no"), os.getenvb(b"SECRET")) == ("no", b"s3")
        assert os.path.expandvars("$SECRET/$OUTSIDE") == "s3/$OUTSIDE"
        assert Path.home() == Path("/home/me")
        assert (os.environ | {"A": "b"})["A"] == "b"
        assert "'SECRET': 's3'" in repr(os.environ)
        with pytest.raises(KeyError, match="OUTSIDE"):
            os.environ["OUTSIDE"]
        with pytest.raises(TypeError):
            os.environ[1]  # type: ignore[index]
        return tempfile.gettempdir()

    assert in_container(yard, ask) == "/tmp"


def test_changes_stay_in_the_container(yard: ThreadYard) -> None:
    before = dict(os.environ)

    def change() -> None:
        os.environ["NEW"] = "1"
        os.environ |= {"NEWER": "2"}
        os.environ.setdefault("NEWEST", "3")
        os.putenv("PUT", "4")
        os.unsetenv("HOME")
        del os.environ["SECRET"]
        for wrong in ({"": "x"}, {"a=b": "x"}, {"a": "\0"}):
            with pytest.raises(ValueError, match=r"null byte|variable name"):
                os.environ.update(wrong)
        with pytest.raises(KeyError):
            del os.environ["SECRET"]
        expected = {"PATH": INSIDE["PATH"], "NEW": "1", "NEWER": "2", "NEWEST": "3", "PUT": "4"}
        assert dict(os.environ) == expected
        os.environ.clear()
        assert not os.environ

    in_container(yard, change)
    assert dict(os.environ) == before


def test_the_process_keeps_its_own(yard: ThreadYard, monkeypatch: pytest.MonkeyPatch) -> None:
    same, kind = os.environ, type(os.environ)

    def outside() -> None:
        monkeypatch.setenv("OUTSIDE", "changed")
        assert os.environ["OUTSIDE"] == "changed"
        assert "SECRET" not in os.environ

    async def story() -> None:
        start, done = threading.Event(), threading.Event()

        def inside() -> bool:
            start.set()
            assert done.wait(30)
            return "OUTSIDE" in os.environ

        run = await yard.run(inside, environment=INSIDE)
        await asyncio.to_thread(start.wait, 30)
        outside()
        done.set()
        assert await run.result() is False
        await yard.close()

    asyncio.run(story())
    assert os.environ is same
    assert type(os.environ) is kind
    assert os.environ["OUTSIDE"] == "changed"
