"""A volume of many files: what is done at once must come out as what is done one by one."""

import pytest

from modal_emulator.store.history import Committer
from modal_emulator.store.volumes import Incoming

API = Committer(via="api")
FILES = 20_000


@pytest.mark.slow
def test_a_volume_of_many_files_is_the_same_after_a_restart(store):
    volume = store.volume()
    sha256 = store.content.add(b"alike")
    names = [f"{number % 100}/{number}" for number in range(FILES)]
    incoming = [Incoming(name, 5, 0o644, (sha256,), 5) for name in names]
    store.volumes.put_files(volume, incoming, overwrite=False, by=API)
    store.put(volume, **{"one": b"more", "7__7": b"changed"})
    store.volumes.remove(volume, "99", recursive=True, by=API)

    def listed():
        return list(store.volumes.entries(volume, "/", recursive=True))

    before = listed()
    assert len(before) == FILES - FILES // 100 + 99 + 1
    assert dict(before)["7/7"].size == len(b"changed")
    store.reopen()
    assert listed() == before
    assert store.read(volume, "98/98") == b"alike"
