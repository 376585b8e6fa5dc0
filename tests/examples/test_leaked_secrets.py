"""A token is found wherever a container leaves it; one app leaves it, and one does not."""

from collections.abc import Callable
from types import ModuleType

import pytest

from modal_emulator.emulator import Running
from modal_emulator.findings.finding import Subject

TOKEN = "a-token-for-this-test-alone"


@pytest.fixture
def places(
    modal_emulator: Running,
    example: Callable[[str], ModuleType],
    capfd: pytest.CaptureFixture[str],
) -> Callable[[str], set[str]]:
    """Run an app and say where the emulator found its token."""

    def search(name: str) -> set[str]:
        app = example(f"leaked_secrets.{name}")
        modal_emulator.secret("partner", TOKEN=TOKEN)
        with app.app.run():
            app.synchronize.remote()
            with pytest.raises(ConnectionError):
                app.login.remote()
        modal_emulator.settle()
        assert "starting with" in "".join(capfd.readouterr())
        found = [f for f in modal_emulator.findings() if f.subject is Subject.SECRET_LEAK]
        assert all(TOKEN not in str(finding) for finding in found)
        return {finding.title.removeprefix("TOKEN of secret 'partner' is ") for finding in found}

    return search


@pytest.mark.modal(findings={"secret leak": "warn"})
@pytest.mark.filterwarnings("ignore::modal_emulator.pytest_plugin.findings.FindingWarning")
def test_leaks(places: Callable[[str], set[str]]) -> None:
    assert places("leaks") == {
        "in the log of synchronize",
        "in the file settings.json of volume 'leaks'",
        "in the arguments of a program that synchronize starts",
        "in a result of synchronize",  # which is that program's command line
        "in the log of login",
        "in what is raised by login",
    }


def test_keeps(places: Callable[[str], set[str]]) -> None:
    assert places("keeps") == set()
