"""A user's project in small."""

import os
from pathlib import Path

import pytest

from warm import WITHOUT_OTHERS

APP = """
import modal

app = modal.App("shop")
volume = modal.Volume.from_name("orders", create_if_missing=True)
secret = modal.Secret.from_dict({"PASSWORD": "hunter2"})

@app.function(volumes={"/data": volume}, secrets=[secret])
def write(name, text):
    with open(f"/data/{name}", "w") as file:
        file.write(text)
    volume.commit()
"""


@pytest.fixture
def user(pytester: pytest.Pytester, warm: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A user's directory with an app, and no Modal account; its runs have the SDK imported."""
    for name in [name for name in os.environ if name.startswith("MODAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MODAL_CONFIG_PATH", "/dev/null")
    monkeypatch.setenv("PYTEST_ADDOPTS", WITHOUT_OTHERS)
    monkeypatch.setattr(pytester, "_getpytestargs", lambda: (str(warm / "python-m-pytest"),))
    pytester.makepyfile(shop=APP)
    pytester.syspathinsert()
    return pytester
