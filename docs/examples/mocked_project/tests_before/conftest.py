import sys
from unittest.mock import MagicMock

import pytest


def passthrough(**kwargs):
    return lambda func: func


modal = MagicMock()
modal.App.return_value.function = passthrough
sys.modules["modal"] = modal


@pytest.fixture
def feeds(tmp_path, monkeypatch):
    from feeds import app

    monkeypatch.setattr(app, "DATA", str(tmp_path))
    monkeypatch.setenv("SIGNING_KEY", "k")
    app.vol.reset_mock()
    return app
