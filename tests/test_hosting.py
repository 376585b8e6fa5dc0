import asyncio
import threading

import pytest

from modal_emulator.emulator import Emulator, Running, Settings, running
from modal_emulator.ground.errors import Invalid
from modal_emulator.hosting import own_thread, sdk_thread
from modal_emulator.runtime.backend import Capability
from modal_emulator.runtime.inline.here import HERE, Here


async def who() -> tuple[threading.Thread, Here | None]:
    return threading.current_thread(), HERE.get()


@pytest.mark.parametrize("host", [own_thread, sdk_thread])
def test_work_is_done_on_another_thread_and_in_nobodys_container(host) -> None:
    HERE.set(Here("ta-1", {}, lambda _descriptor, _data: None))
    try:
        with host() as found:
            thread, here = found.run(who())
    finally:
        HERE.set(None)
    assert thread is not threading.current_thread()
    assert here is None


def test_the_sdks_thread_is_the_sdks_and_goes_on() -> None:
    from modal._utils.async_utils import synchronizer

    async def thread() -> list[threading.Thread]:
        return [threading.current_thread()]

    with sdk_thread() as host:
        found, _ = host.run(who())
    assert synchronizer.create_blocking(thread)() == [found]


@pytest.mark.parametrize("transport", ["memory", "wire"])
def test_a_question_from_the_emulators_own_thread_is_refused(transport: str) -> None:
    with running(transport=transport) as emulator:

        async def ask(question) -> str:
            with pytest.raises(RuntimeError, match="would wait for itself") as refused:
                question()
            return str(refused.value)

        assert emulator._run(ask(emulator.reset))
        assert emulator._run(ask(lambda: emulator.volume("v", create=True).versions))
        assert emulator._run(ask(lambda: emulator.faults.left))


def test_an_emulator_leaves_no_task_on_the_sdks_loop() -> None:
    async def tasks() -> list[str]:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        return sorted(task.get_coro().__qualname__ for task in others)

    with sdk_thread() as host:
        before = host.run(tasks())
        with running(transport="memory") as emulator:
            emulator.reset()
            emulator.secret("s", KEY="v")
            assert host.run(tasks()) != before
        assert host.run(tasks()) == before


def test_a_transport_that_is_not_there_is_named() -> None:
    with pytest.raises(Invalid, match="unknown transport 'pigeons'; there is: memory, wire"):
        Emulator(transport="pigeons")


def test_threads_as_containers_are_refused_by_the_wire() -> None:
    """Their calls would come in like those of any client."""
    wanted = Settings(runtime="inline")
    refused = pytest.raises(Invalid, match="with the transport 'memory'")
    with refused, running(settings=wanted, transport="wire"):
        pass
    with running(settings=Settings(runtime="auto"), transport="wire") as emulator:
        assert Capability.OWN_PROCESSES in emulator.offers


def test_the_environment_chooses_the_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    def thread(emulator: Running) -> str:
        return emulator._run(who())[0].name

    monkeypatch.setenv("MODAL_EMULATOR_TRANSPORT", "wire")
    with running() as emulator:
        assert thread(emulator) == "modal-emulator"
    monkeypatch.delenv("MODAL_EMULATOR_TRANSPORT")
    with running() as emulator, sdk_thread() as sdk:
        assert thread(emulator) == sdk.run(who())[0].name
