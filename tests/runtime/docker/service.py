"""
The image of the server itself, made and used by the lines of the guide.

Needs Docker's daemon, so it is a check of its own (`tox -e docker`).
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.docker.docker_yard import docker

REPOSITORY = Path(__file__).parents[3]
PAGE = REPOSITORY / "docs" / "guide" / "docker.md"
NAME = f"modal-emulator-{os.getpid()}"
APP = """
import os

import modal

app = modal.App("kept")
kept = modal.Volume.from_name("kept", create_if_missing=True)


@app.function(volumes={"/data": kept})
def write():
    with open("/data/a.txt", "w") as file:
        file.write("written")
    kept.commit()
    return os.getuid()


@app.local_entrypoint()
def main():
    print("by", write.remote(), b"".join(kept.read_file("a.txt")).decode())
"""


def line(begin: str) -> list[str]:
    """Return the words of the guide's line that begins so, with names of this test's own."""
    [found] = re.findall(rf"^({re.escape(begin)} .*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    renamed = re.sub(r"--name \S+", f"--name {NAME}", found)
    renamed = re.sub(r"^docker (exec|logs) \S+", rf"docker \1 {NAME}", renamed)
    return shlex.split(re.sub(r"-v [\w-]+:", f"-v {NAME}:", renamed))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what is sent to Docker, with wheels beside it, so that nothing is fetched there."""
    place = tmp_path_factory.mktemp("checkout")
    for name in (".dockerignore", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, place)
    for name in ("contracts", "docker", "emulator"):
        shutil.copytree(REPOSITORY / name, place / name)
    wheels = ["wheel", "-q", "-w", "wheels", ".[docker,redis]", "hatchling"]
    subprocess.run([sys.executable, "-m", "pip", *wheels], cwd=place, check=True)
    return place


@pytest.fixture(scope="module")
def server(base: str, checkout: Path) -> Iterator[dict[str, str]]:
    """Build and run the server; the variables that it prints."""
    asked = {"BASE": base, "PIP_NO_INDEX": "1"}
    options = [word for item in asked.items() for word in ("--build-arg", "=".join(item))]
    build = line("docker build")
    subprocess.run(
        [*build[:2], "--network", "host", *options, *build[2:]],
        cwd=checkout,
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
        check=True,
    )
    run = line("docker run")
    try:
        # In place of the fixed port of the image, a free one.
        subprocess.run([*run, "serve", "--state-dir", "/state", "--port", "0"], check=True)
        with subprocess.Popen(
            ["docker", "logs", "-f", NAME], stdout=subprocess.PIPE, text=True
        ) as logs:
            assert logs.stdout is not None
            said = ""
            while "ctrl-C stops it" not in said:
                said += (text := logs.stdout.readline())
                assert text, said
            logs.terminate()
        yield dict(re.findall(r"^export (\w+)=(\S+)$", said, re.MULTILINE))
    finally:
        subprocess.run(["docker", "rm", "-f", NAME], stdout=subprocess.DEVNULL)
        subprocess.run(["docker", "volume", "rm", NAME], stdout=subprocess.DEVNULL)


def test_the_sdk_outside_finds_it(server: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "modal", "run", "app.py"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **server},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "by 1000 written\n" in done.stdout  # an ordinary user's


def test_it_can_be_asked_for_its_health(server: dict[str, str]) -> None:
    asked = subprocess.run(line("docker exec"), stdout=subprocess.PIPE, text=True, check=True)
    assert asked.stdout == f"{server['MODAL_SERVER_URL']} answers.\n"
    check = docker("inspect", "-f", "{{.Config.Healthcheck.Test}}", NAME)
    assert check.strip() == "[CMD modal-emulator ping --state-dir /state]"


def test_what_is_composed_is_what_is_described() -> None:
    """There may be no `docker compose` here, so what the file says is compared."""
    text = (REPOSITORY / "docker" / "compose.yaml").read_text("utf-8")
    words = line("docker run")
    assert f"network_mode: {words[words.index('--network') + 1]}" in text
    assert "init: true" in text and "--init" in words
    assert "- state:/state" in text and f"{NAME}:/state" in words
    assert f"image: {words[-1]}" in text
