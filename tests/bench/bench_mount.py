"""
Showing a volume in a container: what its layers cost.

The mounting is done by a process of its own, as by the warden of a container, which is told to by
one byte and answers with one. The peer is the same with one layer.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from modal_emulator.runtime import kernel
from modal_emulator.runtime.overlay import Privilege, Stack, stack_up

pytestmark = pytest.mark.benchmark(group="mount of a volume and its removal")
ROUNDS = {"rounds": 200, "warmup_rounds": 20}


class Mounter:
    """A process in a mount namespace that mounts and unmounts once for each byte."""

    def __init__(self, directory: Path, layers: int) -> None:
        if os.geteuid() != 0:
            pytest.skip("an ordinary user's mounts are made in another way")
        ours, theirs = os.pipe(), os.pipe()
        self._to, self._from = theirs[1], ours[0]
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(theirs[1])
                _serve(directory, layers, theirs[0], ours[1])
            finally:
                os._exit(0)
        os.close(theirs[0])
        os.close(ours[1])

    def turn(self) -> None:
        os.write(self._to, b".")
        assert os.read(self._from, 1) == b"."

    def close(self) -> None:
        os.close(self._to)
        os.close(self._from)
        os.waitpid(self._pid, 0)


def _serve(directory: Path, layers: int, asked: int, answers: int) -> None:
    kernel.unshare(kernel.NEW_MOUNTS)
    kernel.mount(None, "/", None, kernel.RECURSIVE | kernel.PRIVATE)
    lowers = tuple(directory / str(number) for number in range(layers))
    target, changes, scratch = (directory / name for name in ("target", "changes", "scratch"))
    for number, path in enumerate((*lowers, target, changes, scratch)):
        path.mkdir()
        if path in lowers:
            (path / f"{number}.txt").write_text("x")
    while os.read(asked, 1):
        stack_up(Stack(lowers, changes, scratch), target, Privilege(root=True), directory / "links")
        kernel.umount(target)
        os.write(answers, b".")


@pytest.fixture
def mounter(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mounter]:
    made = Mounter(tmp_path, request.param)
    yield made
    made.close()


@pytest.mark.parametrize("mounter", [1], indirect=True, ids=[""])
def bench_peer_one_layer(benchmark: BenchmarkFixture, mounter: Mounter) -> None:
    benchmark.pedantic(mounter.turn, **ROUNDS)


@pytest.mark.parametrize("mounter", [24], indirect=True, ids=[""])
def bench_24_layers(benchmark: BenchmarkFixture, mounter: Mounter) -> None:
    benchmark.pedantic(mounter.turn, **ROUNDS)


@pytest.mark.parametrize("mounter", [100], indirect=True, ids=[""])
def bench_100_layers(benchmark: BenchmarkFixture, mounter: Mounter) -> None:
    benchmark.pedantic(mounter.turn, **ROUNDS)
