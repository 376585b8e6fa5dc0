"""How a session says whose values are looked for."""

from typing import Any

import pytest

from modal_emulator.emulator import Settings
from modal_emulator.findings.secrecy import LeakRules
from modal_emulator.ground.errors import Invalid
from modal_emulator.pytest_plugin.leaking import leaks_of_session, names
from modal_emulator.pytest_plugin.options import with_options


class Config:
    def __init__(self, options: dict[str, Any], *, mask: bool = False) -> None:
        self._options = options
        self._mask = mask

    def getini(self, name: str) -> Any:
        return self._options.get(name, "" if "length" in name else [])

    def getoption(self, _name: str) -> bool:
        return self._mask


def session(config: Config) -> dict[str, Any]:
    return leaks_of_session(config)  # type: ignore[arg-type]


def test_nothing_is_changed_by_itself() -> None:
    assert session(Config({})) == {}


def test_the_configuration_is_read() -> None:
    options = session(
        Config(
            {
                "modal_leaks_ignore": ["A,", "mail.*"],
                "modal_leaks_always": ["PIN"],
                "modal_leaks_min_length": "8",
            },
            mask=True,
        )
    )
    assert with_options(Settings(), options).leaks == LeakRules(
        ignore=("A", "mail.*"), always=("PIN",), shortest=8, mask_logs=True
    )


def test_a_length_is_a_number() -> None:
    with pytest.raises(pytest.UsageError, match="modal_leaks_min_length must be a number"):
        session(Config({"modal_leaks_min_length": "many"}))


def test_names_are_given_one_by_one_or_together() -> None:
    assert names("A, B") == names(["A", "B"]) == names(("A,B",)) == ("A", "B")
    assert names("") == ()


@pytest.mark.parametrize(
    ("option", "value"),
    [("leaks_ignore", [1]), ("leaks_always", 1), ("leaks_min_length", 0), ("mask_logs", "yes")],
)
def test_what_makes_no_sense_is_refused(option: str, value: object) -> None:
    with pytest.raises(Invalid, match=f"the option {option} cannot be"):
        with_options(Settings(), {option: value})
