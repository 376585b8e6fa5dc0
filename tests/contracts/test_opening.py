"""A target stands only while it is used, with the SDK pointed at it and the way out closed."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from modal_contracts import live
from modal_contracts.guard import ReachedOut
from modal_contracts.live import throw_away_environment, unfit_for_live
from modal_contracts.opening import opened
from modal_contracts.target import Capability, Target, offered

HERE = {"MODAL_SERVER_URL": "http://127.0.0.1:1"}


class Fake:
    def __init__(self, environment: Mapping[str, str], offers: tuple[str, ...] = ()) -> None:
        self.environment = environment
        self.offers = offers
        self.open = False

    def settle(self) -> None:
        raise AssertionError("nobody asked for this")

    @contextmanager
    def __call__(self) -> Iterator[Target]:
        self.open = True
        try:
            yield self
        finally:
            self.open = False


@pytest.fixture
def environments(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for the two RPCs that make and delete an environment; remember what was asked."""
    asked: list[str] = []
    doors = (
        lambda name: asked.append(f"create {name} at {os.environ['MODAL_SERVER_URL']}"),
        lambda name: asked.append(f"delete {name} at {os.environ['MODAL_SERVER_URL']}"),
    )
    monkeypatch.setattr(live, "_doors", lambda: doors)
    return asked


def test_a_target_here_stands_for_the_block(environments: list[str]) -> None:
    fake = Fake(HERE, ("containers", "open-files"))
    with opened(fake, may_leave=False) as found:
        assert fake.open
        assert found.offers == {Capability.CONTAINERS, Capability.OPEN_FILES}
        assert os.environ["MODAL_SERVER_URL"] == HERE["MODAL_SERVER_URL"]
        assert os.environ["MODAL_ENVIRONMENT"] == found.environment
        with pytest.raises(ReachedOut):
            socket.getaddrinfo("api.modal.com", 443)
    assert not fake.open
    assert "MODAL_SERVER_URL" not in os.environ
    at = "at http://127.0.0.1:1"
    name = found.environment
    assert environments == [f"create {name} {at}", f"delete {name} {at}"]


@pytest.mark.parametrize("environment", [{}, {"MODAL_SERVER_URL": "https://api.modal.com"}])
def test_a_target_elsewhere_needs_leave(
    environments: list[str], environment: Mapping[str, str]
) -> None:
    fake = Fake(environment)
    with (
        pytest.raises(pytest.UsageError, match="not on this machine"),
        opened(fake, may_leave=False),
    ):
        raise AssertionError("it was opened")
    assert not fake.open
    assert environments == []


def test_a_target_elsewhere_stands_with_leave(environments: list[str]) -> None:
    with opened(Fake({"MODAL_SERVER_URL": "https://modal.example"}), may_leave=True):
        assert os.environ["MODAL_SERVER_URL"] == "https://modal.example"
    assert len(environments) == 2


def test_the_environment_goes_when_the_run_fails(environments: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt), opened(Fake(HERE), may_leave=False):
        raise KeyboardInterrupt
    assert environments[-1].startswith("delete contracts-")


def test_each_run_has_an_environment_of_its_own(
    environments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODAL_SERVER_URL", "http://127.0.0.1:1")
    with throw_away_environment() as first, throw_away_environment() as second:
        assert first != second
        assert len(first) <= 64
    assert [line.split()[0] for line in environments] == ["create", "create", "delete", "delete"]


def test_an_unheard_of_capability_is_refused() -> None:
    with pytest.raises(ValueError, match="flying"):
        offered(Fake(HERE, ("containers", "flying")))


def test_every_capability_has_a_meaning() -> None:
    assert all(capability.meaning for capability in Capability)
    assert offered(live.Live()) == frozenset(Capability) - {Capability.CLOCK}


def test_live_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODAL_TOKEN_ID", "")
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "")
    monkeypatch.delenv("MODAL_SERVER_URL", raising=False)
    assert "it needs a token" in unfit_for_live()
    monkeypatch.setenv("MODAL_TOKEN_ID", "ak-1")
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "as-1")
    assert unfit_for_live() == ""


def test_live_is_not_some_other_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODAL_SERVER_URL", "http://127.0.0.1:1")
    assert "is not Modal itself" in unfit_for_live()
    monkeypatch.setenv("MODAL_SERVER_URL", "http://modal.com.example")
    assert "is not Modal itself" in unfit_for_live()


def test_nobody_moves_the_time_of_the_service() -> None:
    service = live.Live()
    for refused in (lambda: service.advance(1), service.stop_time, service.begin_anew):
        with pytest.raises(NotImplementedError):
            refused()
