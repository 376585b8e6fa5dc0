import pytest


@pytest.fixture
def feeds(modal_emulator):
    from feeds import app

    modal_emulator.secret("feeds-signing", SIGNING_KEY="k")
    with app.app.run():
        yield app
