"""Without leave, nothing reaches beyond this machine."""

import os
import socket

import pytest

from modal_contracts.guard import ReachedOut, closed_to_modal, environ, on_this_machine


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:9000", True),
        ("http://localhost:9000", True),
        ("http://[::1]:9000", True),
        ("unix:///run/modal.sock", True),
        ("https://api.modal.com:443", False),
        ("https://api.modal.com.localhost.example", False),
        ("", False),
    ],
)
def test_which_servers_are_here(url: str, here: bool) -> None:
    assert on_this_machine({"MODAL_SERVER_URL": url}) is here
    assert on_this_machine({}) is False


@pytest.mark.parametrize(
    "host", ["api.modal.com", "API.Modal.com.", "x--y.modal.run", b"modal.com"]
)
def test_modals_names_cannot_be_looked_up(host: str | bytes) -> None:
    with closed_to_modal(), pytest.raises(ReachedOut, match="--modal-allow-live"):
        socket.getaddrinfo(host, 443)


def test_other_names_can() -> None:
    before = socket.getaddrinfo
    with closed_to_modal():
        assert socket.getaddrinfo("localhost", 80)
        assert socket.getaddrinfo(None, 80)
    assert socket.getaddrinfo is before


def test_variables_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUSE_OLD", "old")
    monkeypatch.delenv("CLAUSE_NEW", raising=False)
    with pytest.raises(ZeroDivisionError), environ({"CLAUSE_OLD": "1", "CLAUSE_NEW": "2"}):
        assert (os.environ["CLAUSE_OLD"], os.environ["CLAUSE_NEW"]) == ("1", "2")
        raise ZeroDivisionError
    assert os.environ["CLAUSE_OLD"] == "old"
    assert "CLAUSE_NEW" not in os.environ
