"""
Images as the SDK describes them, built by Docker, and functions that run in them.

Needs Docker's daemon, so it is a check of its own (`tox -e docker`).
"""

import importlib
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import modal
import modal.exception
import pytest

from modal_emulator.emulator import Running, Settings, running
from runtime.docker.docker_yard import docker


def looking() -> Callable[[], dict[str, object]]:
    """Return a function that says what its container is like; it is sent whole."""

    def look() -> dict[str, object]:
        import importlib.metadata
        import os
        import shutil
        from pathlib import Path

        names = {each.name for each in importlib.metadata.distributions()}
        return {
            "cwd": os.getcwd(),
            "word": os.environ.get("WORD"),
            "made": Path("/made.txt").read_text() if Path("/made.txt").exists() else None,
            "copied": Path("/copied.txt").read_text() if Path("/copied.txt").exists() else None,
            "local": Path("/local.txt").read_text() if Path("/local.txt").exists() else None,
            "installed": "greeting" in names,
            "gcc": shutil.which("gcc"),
            "pytest": "pytest" in names,
        }

    return look


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Make a distribution that no index has."""
    path = tmp_path / "greeting-1.0-py3-none-any.whl"
    about = "greeting-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("greeting.py", "WORDS = 'hello'\n")
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n"
        )
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path


def test_an_image_is_what_its_commands_make(emulator: Running, tmp_path: Path, wheel: Path) -> None:
    copied, local = tmp_path / "copied.txt", tmp_path / "local.txt"
    copied.write_text("copied")
    local.write_text("local")
    image = (
        modal.Image.debian_slim()
        .add_local_file(wheel, f"/wheels/{wheel.name}", copy=True)
        .pip_install("greeting")
        .run_commands("echo -n made > /made.txt")
        .env({"WORD": "two words"})
        .workdir("/srv")
        .add_local_file(copied, "/copied.txt", copy=True)
        .add_local_file(local, "/local.txt")
    )
    app = modal.App()
    seen = app.function(image=image, serialized=True)(looking())
    with app.run():
        assert seen.remote() == {
            "cwd": "/srv",
            "word": "two words",
            "made": "made",
            "copied": "copied",
            "local": "local",
            "installed": True,
            "gcc": None,  # only said to be installed: the base image of tests is a small one
            "pytest": False,  # of this process's environment nothing but the SDK is there
        }


def test_a_build_that_fails_gives_its_last_words(emulator: Running, base: str) -> None:
    image = modal.Image.from_registry(base).run_commands("echo on the way; cat /nowhere.txt")
    app = modal.App()
    app.function(image=image, serialized=True)(looking())
    told = r"(?s)Image build for im-\w+ failed.*on the way.*/nowhere.txt: No such file"
    with pytest.raises(modal.exception.Error, match=told), app.run():
        pass


def test_what_is_not_built_is_named(emulator: Running, base: str) -> None:
    image = modal.Image.from_registry(base).run_commands("true", gpu="T4")
    app = modal.App()
    app.function(image=image, serialized=True)(looking())
    told = "there is no GPU for build steps"
    with pytest.raises(modal.exception.Error, match=told), app.run():
        pass


def test_commands_see_secrets_and_the_image_keeps_none(emulator: Running, base: str) -> None:
    ids, made = [], []
    for value in ("it's the first", "another word."):
        secret = modal.Secret.from_dict({"WORD": value})
        image = modal.Image.from_registry(base).dockerfile_commands(
            'RUN printf %s "$WORD" | wc -c > /made.txt; test -z "$FTP_PROXY" \\',
            "# RUN is no command here",
            "  && echo the length is told",
            """RUN ["python", "-c", "import os; print('asked:', len(os.environ['WORD']))"]""",
            secrets=[secret],
        )
        app = modal.App()
        look = app.function(image=image, serialized=True)(looking())
        with app.run():
            seen = look.remote()
            made.append(seen["made"])
            assert seen["word"] is None
        about = docker("history", "--no-trunc", f"modal-emulator:{image.object_id}")
        about += docker("inspect", f"modal-emulator:{image.object_id}")
        assert value not in about
        assert "the length is told" in about
        ids.append(image.object_id)
        emulator.reset(emulator.settings)
    assert ids[0] == ids[1]  # the same keys: the values make no other image
    assert made == ["14\n", "14\n"]


MAKING = """
import os
from pathlib import Path

import modal

volume = modal.Volume.from_name("runs", create_if_missing=True)


def fetch(name, *, size):
    Path("/models").mkdir()
    Path("/models/name.txt").write_text(f"{name} {size} {Path('/covered/old.txt').exists()}")
    Path("/gone.txt").unlink()
    with open("/covered/runs.txt", "a") as runs:
        runs.write(f"{name} {os.environ['KEY']}\\n")


def fail():
    raise ValueError("there is no such model")


def wait():
    import threading

    threading.Event().wait()


def look():
    return {
        "made": Path("/models/name.txt").read_text(),
        "gone": not Path("/gone.txt").exists(),
        "owner": os.stat("/covered/old.txt").st_uid,
        "covered": os.listdir("/covered"),
        "aside": [each.name for each in Path("/").glob(".modal-emulator-*")],
        "cwd": os.getcwd(),
        "key": os.environ.get("KEY"),
    }
"""


@pytest.fixture
def making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Give a module whose functions make images: one that containers can import."""
    (tmp_path / "making.py").write_text(MAKING, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("making")
    del sys.modules["making"]


def seen_in(emulator: Running, image: modal.Image, look: Callable[..., Any]) -> Any:
    app = modal.App(include_source=True)
    asked = app.function(image=image)(look)
    with app.run():
        return asked.remote()


def test_what_a_function_leaves_is_the_image(
    emulator: Running, base: str, making: ModuleType
) -> None:
    steps = "mkdir /covered; echo old > /covered/old.txt; chown 7 /covered/old.txt; touch /gone.txt"
    below = modal.Image.from_registry(base).run_commands(steps).workdir("/srv")

    def made(name: str, key: str, *, force_build: bool = False) -> modal.Image:
        return below.run_function(
            making.fetch,
            args=(name,),
            kwargs={"size": 3},
            secrets=[modal.Secret.from_dict({"KEY": key})],
            volumes={"/covered": making.volume},
            force_build=force_build,
        )

    seen = seen_in(emulator, made("small", "k-1", force_build=True), making.look)
    assert seen == {
        "made": "small 3 False",
        "gone": True,
        "owner": 7,
        "covered": ["old.txt"],
        "aside": [],
        "cwd": "/srv",
        "key": None,
    }
    # Neither is the secret's value part of what it is, nor is anything run that is there.
    assert seen_in(emulator, made("small", "k-2"), making.look) == seen
    other = seen_in(emulator, made("large", "k-3", force_build=True), making.look)
    assert other == {**seen, "made": "large 3 False"}
    runs = b"".join(making.volume.read_file("runs.txt"))
    assert runs == b"small k-1\nlarge k-3\n"


def test_a_function_that_raises_fails_the_build(
    emulator: Running, base: str, making: ModuleType
) -> None:
    image = modal.Image.from_registry(base).run_function(making.fail)
    told = r"(?s)in fail\n.*ValueError: there is.*ValueError\('there is no such model'\)"
    with pytest.raises(modal.exception.Error, match=told):
        seen_in(emulator, image, making.look)


def test_a_function_that_takes_too_long_fails_the_build(
    emulator: Running, base: str, making: ModuleType
) -> None:
    image = modal.Image.from_registry(base).run_function(making.wait, timeout=1)
    with pytest.raises(modal.exception.Error, match="timed out"):
        seen_in(emulator, image, making.look)


def test_time_in_a_container_is_the_emulators(emulator: Running, base: str) -> None:
    def now() -> float:
        import time

        return time.time()

    emulator.clock.freeze()
    emulator.clock.advance(days=3650)
    app = modal.App()
    asked = app.function(image=modal.Image.from_registry(base), serialized=True)(now)
    with app.run():
        assert asked.remote() == pytest.approx(emulator.clock.now().timestamp(), abs=600)


def test_an_image_that_is_there_is_not_built_again(emulator: Running, base: str) -> None:
    image = modal.Image.from_registry(base).run_commands("echo once > /made.txt")
    ids = []
    for _ in range(2):
        app = modal.App()
        app.function(image=image, serialized=True)(looking())
        with app.run():
            ids.append(docker("images", "-q", "--no-trunc", f"modal-emulator:{image.object_id}"))
        emulator.reset(emulator.settings)
    assert ids[0] == ids[1] != ""


def test_modal_run_prints_what_a_build_prints(base: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        f"""
import modal

image = modal.Image.from_registry({base!r}).run_commands("echo the build says this")
app = modal.App("shop", image=image)


@app.function()
def hello():
    print("the function says this")
""",
        "utf-8",
    )
    settings = Settings(runtime="docker", docker_network="host")
    with running(settings=settings, transport="wire") as emulator:
        done = subprocess.run(
            [sys.executable, "-m", "modal", "run", "shop.py"],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "MODAL_FORCE_BUILD": "1", **emulator.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    assert done.returncode == 0, done.stdout
    assert "the build says this\n" in done.stdout
    assert "the function says this\n" in done.stdout
