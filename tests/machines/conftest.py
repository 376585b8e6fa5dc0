"""An emulator for each way of keeping containers apart, as a target for the machine."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial

import pytest

from modal_contracts.opening import opened
from modal_contracts.scene import Scene
from modal_contracts.shell import Shell
from modal_emulator.emulator import Settings, running
from modal_emulator.pytest_plugin.session import Session
from modal_emulator.pytest_plugin.target import EmulatorTarget
from modal_emulator.runtime.job import Isolation
from modal_emulator.store.limits import VolumeLimits
from yard import require

OpenScene = Callable[[], AbstractContextManager[Scene]]


@contextmanager
def open_target(settings: Settings) -> Iterator[EmulatorTarget]:
    with running(settings=settings) as emulator:
        session = Session(emulator)
        try:
            with session.test():
                yield EmulatorTarget(emulator)
        finally:
            session.close()


@pytest.fixture(scope="module", params=list(Isolation), ids=lambda each: each.value)
def open_scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenScene]:
    """Give scenes on an emulator that commits nothing by itself and merges layers early."""
    require(request.param, tmp_path_factory.mktemp("isolation"))
    settings = Settings(
        isolation=request.param.value,
        background_commit_interval=0,
        volumes=VolumeLimits(layers=4),
    )
    with opened(partial(open_target, settings), may_leave=False) as target:

        @contextmanager
        def scene() -> Iterator[Scene]:
            with ExitStack() as stack:
                yield Scene(target.target, target.environment, stack, Shell())

        yield scene
