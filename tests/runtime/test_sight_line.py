"""What containers of processes do with files comes over their line, in every kind of container."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from filework import SCRIPTS, moving, other_libraries
from modal_emulator.ground.steps import Kind, Moment, Step
from modal_emulator.runtime.backend import Mount
from modal_emulator.runtime.sight import Attention
from modal_emulator.runtime.sight_page import SightPage
from sights import Witness
from yard import Run, Yard


class Stage:
    """A container that is seen, and the page that says how much."""

    def __init__(self, yard: Yard, attention: Attention) -> None:
        self._yard = yard
        self.witness = Witness(attention)
        self.witness.page = yard.directory / "sight"
        self.page = SightPage.make(self.witness.page)
        self.page.write(attention, 0)

    def attend(self, attention: Attention) -> None:
        self.witness.attention = attention
        self.page.write(attention, 0)

    async def run(self, script: str | Callable[[], None]) -> Run:
        volume = self._yard.volume().layer(a_txt="one")
        (volume.layers[0] / "d").mkdir()
        (volume.layers[0] / "d" / "b.txt").write_text("two")
        mount = Mount("vo-1", "/data", volume.view(version=2))
        return await self._yard.run(script, mount, sight=self.witness)

    def told(self, script: str | Callable[[], None]) -> list[str]:
        """Return what a script did, in words."""

        async def story() -> None:
            assert await (await self.run(script)).printed() == ""
            await self._yard.close()

        asyncio.run(story())
        return self.witness.told()


def all_held(yard: Yard, script: Callable[[], None]) -> None:
    stage = Stage(yard, Attention.HOLD)
    stage.told(script)
    assert sorted(map(str, stage.witness.begun)) == sorted(map(str, stage.witness.steps))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda each: each.__name__)
def test_nothing_else_changes_where_files_are_found_by_python(
    plain: Yard, script: Callable[[], None]
) -> None:
    all_held(plain, script)


@pytest.mark.parametrize("script", [moving, other_libraries], ids=lambda each: each.__name__)
def test_nothing_else_changes_where_they_are_mounted(
    mounting: Yard, script: Callable[[], None]
) -> None:
    all_held(mounting, script)


def test_what_children_do_is_told_in_order_and_what_programs_do_is_not(yard: Yard) -> None:
    def script() -> None:
        import contextlib
        import os
        import subprocess

        open("/data/first", "w").close()
        if (child := os.fork()) == 0:
            os.rename("/data/first", "/data/second")
            os._exit(0)
        os.waitpid(child, 0)
        subprocess.run(["touch", "/data/third"], check=True)
        with contextlib.suppress(FileNotFoundError):
            os.remove("/data/first")

    stage = Stage(yard, Attention.NOTE)
    assert stage.told(script) == [
        "write first",
        "close first",
        "rename first to second",
        "run",
        "remove first",
    ]
    (program,) = (step for step in stage.witness.steps if step.kind is Kind.RUN)
    assert program.arguments[0] == "touch"
    assert stage.witness.errors == ["remove first: No such file or directory"]


def test_attention_may_change_while_code_runs(yard: Yard) -> None:
    def script() -> None:
        import os

        for number in range(3):
            os.path.exists(f"/data/{number}")
            gate()  # type: ignore[name-defined]  # noqa: F821  (of the script's own)

    stage = Stage(yard, Attention.OFF)

    async def story() -> None:
        run = await stage.run(script)
        for attention in (Attention.HOLD, Attention.NOTE, Attention.OFF):
            end = await yard.meet()
            stage.attend(attention)
            end.close()
        assert await run.printed() == ""
        await yard.close()

    asyncio.run(story())
    assert stage.witness.told() == ["look 1", "look 2"]
    assert [step.path for step in stage.witness.begun] == ["1"]


def test_whoever_holds_can_let_it_fail(yard: Yard) -> None:
    def script() -> None:
        import os

        try:
            os.mkdir("/data/new")
        except OSError as error:
            assert str(error) == "[Errno 28] full", error
        assert not os.path.exists("/data/new")

    def on_hold(step: Step, moment: Moment) -> None:
        if step.kind is Kind.MAKE:
            raise OSError(28, "full")

    stage = Stage(yard, Attention.HOLD)
    stage.witness.on_hold = on_hold
    assert stage.told(script) == ["look new"]


def test_one_that_is_killed_while_it_is_held_is_gone(yard: Yard) -> None:
    stage = Stage(yard, Attention.HOLD)

    async def story() -> None:
        held, never = asyncio.Event(), asyncio.Event()

        async def arrive(step: Step, moment: Moment, error: OSError | None) -> None:
            held.set()
            await never.wait()

        stage.witness.arrive = arrive  # type: ignore[method-assign]
        run = await stage.run("open('/data/a.txt')")
        await asyncio.wait_for(held.wait(), 30)
        await run.container.kill()
        await yard.close()

    asyncio.run(story())


def test_a_program_of_very_many_arguments_still_fits(yard: Yard) -> None:
    def script() -> None:
        import subprocess

        subprocess.run(["true", *["x" * 1000] * 100], check=True)

    stage = Stage(yard, Attention.NOTE)
    assert stage.told(script) == ["run"]
    assert stage.witness.steps[0].arguments == ()


def test_the_page_is_as_it_was_written_last(tmp_path: Path) -> None:
    page = SightPage.make(tmp_path / "page")
    with (tmp_path / "page").open("rb") as file:
        other = SightPage(os.dup(file.fileno()))
    page.write(Attention.HOLD, 1 << 40)
    assert (other.attention, other.epoch) == (Attention.HOLD, 1 << 40)
