"""What code in a thread container prints is the container's output, and nobody else's."""

import asyncio
import contextlib
import io
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest

from modal_emulator.runtime.inline.console import wrap_streams
from threadyard import Stage, ThreadYard


def said_by(yard: ThreadYard, function: Callable[[], Any]) -> tuple[str, str]:
    async def story() -> tuple[str, str]:
        run = await yard.run(function)
        await run.result()
        await yard.close()
        return run.said(1), run.said(2)

    return asyncio.run(story())


def test_prints_are_the_containers(yard: ThreadYard, capsys: pytest.CaptureFixture[str]) -> None:
    def speak() -> None:
        print("one", "two")
        print("three", end="", file=sys.stderr)
        sys.stdout.buffer.write(b"four\n")
        sys.stdout.writelines(["five\n", "six\n"])
        sys.stdout.flush()
        assert not sys.stdout.isatty()
        assert sys.stdout.encoding == "utf-8"
        with pytest.raises(TypeError):
            sys.stdout.write(b"")  # type: ignore[arg-type]

    assert said_by(yard, speak) == ("one two\nfour\nfive\nsix\n", "three")
    assert capsys.readouterr() == ("", "")


def test_prints_outside_are_not(yard: ThreadYard, capsys: pytest.CaptureFixture[str]) -> None:
    stage, before = Stage(), sys.stdout

    def wait() -> None:
        stage.stop()
        print("inside")

    async def story() -> None:
        run = await yard.run(wait)
        await stage.reached()
        print("outside")
        assert isinstance(sys.stdout, io.TextIOBase)
        stage.go_on()
        await run.result()
        assert run.said() == "inside\n"
        await yard.close()

    asyncio.run(story())
    assert sys.stdout is before
    assert capsys.readouterr() == ("outside\n", "")


def test_streams_that_others_put_there_are_wrapped_as_well(
    yard: ThreadYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, other = Stage(), io.StringIO()

    def wait() -> None:
        stage.stop()
        wrap_streams()
        print("inside")

    async def story() -> None:
        run = await yard.run(wait)
        await stage.reached()
        monkeypatch.setattr(sys, "stdout", other)
        stage.go_on()
        await run.result()
        print("outside")
        assert (run.said(), other.getvalue()) == ("inside\n", "outside\n")
        await yard.close()

    asyncio.run(story())
    assert sys.stdout is other


def test_what_a_container_redirects_it_redirects_for_itself(yard: ThreadYard) -> None:
    stage, taken = Stage(), io.StringIO()

    def redirect() -> None:
        with contextlib.redirect_stdout(taken):
            print("taken")
            stage.stop()
        print("told")

    async def story() -> None:
        run = await yard.run(redirect)
        await stage.reached()
        other = await yard.run(lambda: print("other"))
        await other.result()
        assert other.said() == "other\n"
        stage.go_on()
        await run.result()
        assert (run.said(), taken.getvalue()) == ("told\n", "taken\n")
        await yard.close()

    asyncio.run(story())


def test_handlers_that_hold_a_stream_are_found(yard: ThreadYard) -> None:
    logger = logging.Logger("mine")
    handler = logging.StreamHandler()
    held = handler.stream
    logger.addHandler(handler)
    assert said_by(yard, lambda: logger.error("logged")) == ("", "logged\n")
    assert handler.stream is held


def test_a_breakpoint_shows_the_streams_underneath(
    yard: ThreadYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pdb

    typed, shown = io.StringIO("p 6 * 7\nc\n"), io.StringIO()
    monkeypatch.setattr(sys, "stdin", typed)
    monkeypatch.setattr(sys, "stdout", shown)

    def stop() -> None:
        print("before")
        pdb.Pdb(nosigint=True, readrc=False).set_trace()
        print("after")

    assert said_by(yard, stop) == ("before\n", "")
    assert "42" in shown.getvalue()
    assert "after" in shown.getvalue()
    assert ")stop()\n-> " in shown.getvalue()  # it stopped in the user's own function
