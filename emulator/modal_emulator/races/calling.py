"""`explore` as tests call it: with a program it explores, as a decorator it makes a test."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from modal_emulator.emulator import Running, present
from modal_emulator.ground.errors import Conflict
from modal_emulator.races.drawing import Draws
from modal_emulator.races.exploring import Explored, explore_on

__all__ = ["explore"]

FIXTURE = "modal_emulator"


def explore(
    program: Callable[..., Any] | None = None,
    *,
    invariant: Callable[..., Any] | None = None,
    app: Any = None,
    setup: Callable[..., Any] | None = None,
    schedules: int = 200,
    depth: int = 3,
    mode: str = "auto",
    background_commits: str = "never",
    containers: str = "drawn",
    kills: int = 0,
    rpc_failures: int = 0,
    lost_replies: int = 0,
    crons: Sequence[str] = (),
    seed: int | None = None,
    replay: str = "",
    shrink: bool = True,
    running: Running | None = None,
) -> Any:
    """
    Run a program of concurrent calls in one order of its steps after the other.

    As a decorator it makes a test of fixtures; `Explored` and `Draws` say what arguments mean.

    Raises:
        RaceFound: a schedule fails; it tells the shortest one that was found.
        Invalid: an argument makes no sense.
    """
    __tracebackhide__ = True
    draws = Draws(background_commits, containers, kills, rpc_failures, lost_replies, tuple(crons))
    asked = Explored(
        program=program or _nothing,
        invariant=invariant,
        apps=_apps(app),
        setup=setup,
        schedules=schedules,
        depth=depth,
        mode=mode,
        seed=seed,
        replay=replay,
        shrink=shrink,
        draws=draws,
    )
    return _begin(program, running, asked)


def _begin(program: Callable[..., Any] | None, running: Running | None, asked: Explored) -> Any:
    __tracebackhide__ = True
    if program is None:
        return functools.partial(_as_test, asked=asked)
    if running is None and _is_a_test(program):
        return _as_test(program, asked=asked)
    return explore_on(running or present(), asked)


def _apps(app: Any) -> tuple[Any, ...]:
    return () if app is None else tuple(app) if isinstance(app, list | tuple) else (app,)


def _nothing() -> None:
    pass


def _is_a_test(program: Callable[..., Any]) -> bool:
    """Say whether it can only be meant for the decorator: nothing runs that it could run in."""
    try:
        present()
    except Conflict:
        return getattr(program, "__name__", "").startswith("test")
    return False


def _as_test(program: Callable[..., Any], asked: Explored) -> Callable[..., None]:
    """Return a test that explores the program, which is called with the test's fixtures."""
    own = inspect.signature(program)
    takes = FIXTURE in own.parameters

    @functools.wraps(program)
    def test(**fixtures: Any) -> None:
        __tracebackhide__ = True
        running = fixtures[FIXTURE] if takes else fixtures.pop(FIXTURE)
        explore_on(running, asked.of(functools.partial(program, **fixtures)))

    if not takes:
        lent = inspect.Parameter(FIXTURE, inspect.Parameter.KEYWORD_ONLY)
        own = own.replace(parameters=[*own.parameters.values(), lent])
    test.__signature__ = own  # type: ignore[attr-defined]
    return test
