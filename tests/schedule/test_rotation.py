"""Containers that serve inputs with former values of secrets."""

import os

import modal
import pytest

from modal_emulator.emulator import Running

app = modal.App("rotating")
store = modal.Secret.from_name("store")


@app.function(secrets=[store])
def login() -> str:
    return f"as {os.environ['USER_NAME']}"


@app.function(secrets=[store, modal.Secret.from_dict({"USER_NAME": "bob"})])
def overridden() -> str:
    return f"as {os.environ['USER_NAME']}"


def drifts(emulator: Running) -> list[tuple[object, ...]]:
    return [
        tuple(event.values[name] for name in ("title", "object", "container_id"))
        for event in emulator.journal("finding")
        if event.values["subject"] == "rotation drift"
    ]


@pytest.mark.parametrize(
    "modal_emulator", [{"runtime": "inline"}, {"runtime": "process"}], indirect=True
)
def test_a_warm_container_with_a_former_value_is_told_of_once(modal_emulator: Running) -> None:
    secret = modal_emulator.secret("store", TOKEN="first-value", USER_NAME="ann")
    with app.run():
        login.remote()
        container = modal_emulator.container("login")
        secret.update(TOKEN="second-value")
        assert drifts(modal_emulator) == []
        login.remote()
        login.remote()
        title = "login serves an input with the former value of TOKEN"
        assert drifts(modal_emulator) == [(title, "store", container.container_id)]
        secret.update(TOKEN="third-value", USER_NAME="eve")
        login.remote()
        assert [title for title, _, _ in drifts(modal_emulator)][1:] == [
            "login serves an input with the former value of TOKEN, USER_NAME"
        ]


@pytest.mark.modal(runtime="inline")
def test_a_container_that_starts_afterwards_has_the_new_values(modal_emulator: Running) -> None:
    secret = modal_emulator.secret("store", TOKEN="first-value", USER_NAME="ann")
    with app.run():
        login.remote()
    secret.update(TOKEN="second-value")
    with app.run():
        login.remote()
    assert drifts(modal_emulator) == []


@pytest.mark.modal(runtime="inline")
def test_the_same_values_once_more_are_no_change(modal_emulator: Running) -> None:
    secret = modal_emulator.secret("store", TOKEN="first-value", USER_NAME="ann")
    with app.run():
        login.remote()
        secret.set(TOKEN="first-value", USER_NAME="ann")
        login.remote()
        secret.update(TOKEN="second-value")
        secret.update(TOKEN="first-value")
        login.remote()
    assert drifts(modal_emulator) == []


@pytest.mark.modal(runtime="inline")
def test_a_value_that_a_later_secret_overrides_is_nobodys(modal_emulator: Running) -> None:
    secret = modal_emulator.secret("store", USER_NAME="ann")
    with app.run():
        assert overridden.remote() == "as bob"
        secret.update(USER_NAME="eve")
        overridden.remote()
    assert drifts(modal_emulator) == []


@pytest.mark.modal(runtime="inline")
def test_a_secret_that_is_deleted_has_no_new_value(modal_emulator: Running) -> None:
    secret = modal_emulator.secret("store", USER_NAME="ann")
    with app.run():
        login.remote()
        secret.remove()
        login.remote()
    assert drifts(modal_emulator) == []


@pytest.mark.modal(runtime="inline")
def test_it_says_since_when_and_which_call(modal_emulator: Running) -> None:
    secret = modal_emulator.secret("store", USER_NAME="ann")
    with app.run():
        login.remote()
        secret.update(USER_NAME="eve")
        call = login.spawn()
        assert call.get() == "as ann"
    (event,) = modal_emulator.journal("finding")
    text = str(event.values["text"])
    assert text.startswith("secret 'store' was changed at 20")
    assert call.object_id in text and str(event.values["container_id"]) in text
