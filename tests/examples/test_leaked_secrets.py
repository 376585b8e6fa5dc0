"""A token is looked for wherever a container can leave it; one app leaves it, and one does not."""

from collections.abc import Callable
from types import ModuleType

import pytest

from modal_emulator.emulator import Running

TOKEN = "a-token-for-this-test-alone"


@pytest.fixture
def places(
    modal_emulator: Running,
    example: Callable[[str], ModuleType],
    capfd: pytest.CaptureFixture[str],
) -> Callable[[str], set[str]]:
    """Run an app and say where its token is to be found."""

    def search(name: str) -> set[str]:
        app = example(f"leaked_secrets.{name}")
        modal_emulator.secret("partner", TOKEN=TOKEN)
        with app.app.run():
            command_line = app.synchronize.remote()
            with pytest.raises(ConnectionError) as raised:
                app.login.remote()
        modal_emulator.settle()
        log = "".join(capfd.readouterr())
        assert "starting with" in log
        found = {
            "log": log,
            "volume": str(modal_emulator.volume(name).tree()),
            "error": str(raised.value),
            "processes": str(command_line),
        }
        return {place for place, text in found.items() if TOKEN in text}

    return search


def test_leaks(places: Callable[[str], set[str]]) -> None:
    assert places("leaks") == {"log", "volume", "error", "processes"}


def test_keeps(places: Callable[[str], set[str]]) -> None:
    assert places("keeps") == set()
