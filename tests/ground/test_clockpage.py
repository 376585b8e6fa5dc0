"""How a clock is read by other processes."""

import os
import threading
from pathlib import Path

from modal_emulator.ground.clock import monotonic
from modal_emulator.ground.clockpage import Page, look
from modal_emulator.ground.pieces import Piece


def test_who_looks_sees_what_was_written_last(tmp_path: Path) -> None:
    page = Page(tmp_path / "clock")
    seen = look(page.path)
    assert seen() is None
    page.write(Piece(0.0, 1000.5, 0.0))
    assert seen() == 1000.5
    page.write(Piece(monotonic() - 10, 0.0, 1000.0))
    first = seen()
    assert first is not None
    assert 10_000 <= first <= (seen() or 0)
    page.write(None)
    assert seen() is None
    page.close()
    assert not page.path.exists()
    assert seen() is None


def test_another_process_sees_it_too(tmp_path: Path) -> None:
    page = Page(tmp_path / "clock")
    seen = look(page.path)
    told, tell = os.pipe()
    answer, answering = os.pipe()
    child = os.fork()
    if not child:
        os.read(told, 1)
        os.write(answering, str(seen()).encode())
        os._exit(0)
    page.write(Piece(0.0, 77.0, 0.0))
    os.write(tell, b"x")
    assert os.read(answer, 100) == b"77.0"
    os.waitpid(child, 0)
    for file in (told, tell, answer, answering):
        os.close(file)


def test_nobody_sees_half_of_what_is_written(tmp_path: Path) -> None:
    page = Page(tmp_path / "clock")
    seen = look(page.path)
    page.write(Piece(0.0, 0.0, 0.0))
    wrong: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            # Each piece says that it is the instant at which it began: only halves differ.
            piece = seen.piece()
            if piece.began != piece.virtual:
                wrong.append(piece.virtual)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for count in range(20_000):
        page.write(Piece(float(count), float(count), 0.0))
    over.set()
    watcher.join()
    assert wrong == []
