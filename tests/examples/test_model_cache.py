"""A model saved with safetensors by one function gives the sine in another."""

import math
import re
from collections.abc import Callable
from types import ModuleType

import pytest

from modal_emulator.emulator import Running


def test_second_function_loads_what_the_first_saved(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    model_cache = example("model_cache")
    xs = [-2.5, -1.0, 0.0, 1.0, 2.5]
    with model_cache.app.run():
        assert model_cache.train.remote() < 0.03
        ys = model_cache.Model().predict.remote(xs)
    assert ys == pytest.approx([math.sin(x) for x in xs], abs=0.1)


def test_cache_is_laid_out_as_hugging_faces(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    model_cache = example("model_cache")
    with model_cache.app.run():
        model_cache.train.remote(steps=1)
    volume = model_cache.volume
    root = "hub/models--example--tiny-sine"
    revision = b"".join(volume.read_file(f"{root}/refs/main")).decode()
    kinds = {
        entry.path: entry.type.name
        for entry in volume.listdir(f"{root}/snapshots/{revision}", recursive=True)
    }
    assert kinds == {
        f"{root}/snapshots/{revision}/{name}": "SYMLINK"
        for name in ("config.json", "model.safetensors")
    }
    blobs = [entry.path for entry in volume.listdir(f"{root}/blobs")]
    assert len(blobs) == 2
    assert all(re.fullmatch(rf"{root}/blobs/[0-9a-f]{{64}}", path) for path in blobs)


def test_loading_without_training_shows_the_users_own_error(
    modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    model_cache = example("model_cache")
    with model_cache.app.run(), pytest.raises(FileNotFoundError, match="refs/main"):
        model_cache.Model().predict.remote([0.0])


@pytest.mark.slow
def test_modal_run(modal_run: Callable[..., str]) -> None:
    printed = modal_run("model_cache")
    assert re.search(r"^trained: mean error 0\.0[0-2]\d\d$", printed, re.MULTILINE)
    assert printed.count("is about") == 4
