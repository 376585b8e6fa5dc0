import textwrap
from pathlib import Path, PurePosixPath

import pytest

from modal_emulator.mutation.sync_points import Survey, is_test, survey


def look(tmp_path: Path, names: tuple[str, ...] = (), **files: str) -> Survey:
    paths = []
    for name, text in files.items():
        path = PurePosixPath(name.replace("__", "/") + ".py")
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(textwrap.dedent(text))
        paths.append(path)
    return survey(tmp_path, paths, names)


@pytest.mark.parametrize(
    "text",
    [
        "import modal\nv = modal.Volume.from_name('v')\nv.commit()",
        "import modal as m\nv = m.Volume.from_name('v').hydrate()\nv.commit()",
        "from modal import Volume as V\nv: V = make()\nv.commit()",
        "from modal.volume import Volume\nwith Volume.ephemeral() as v:\n    v.commit()",
        "import modal\nif (v := modal.Volume.from_name('v')):\n    v.commit()",
        "import modal\ndef f(v: 'modal.Volume | None'): v.commit()",
        "from typing import Optional\nimport modal\ndef f(v: Optional[modal.Volume]): v.commit()",
        "import modal\nmodal.Volume.from_name('v').commit()",
        "import modal\nself.v = modal.Volume.from_name('v')\nself.v.commit()",
        "import modal\nv = modal.Volume.from_name('v')\nw = v\nw.commit()",
        "@app.function(volumes={'/v': v})\ndef f(): v.commit()",
        "@app.function(volumes={'/v': v.read_only()})\ndef f(): v.commit()",
        "import modal\nv = modal.Volume.from_name('v')\nasync def f(): await v.commit.aio()",
    ],
)
def test_volumes_are_known_by_their_names(tmp_path: Path, text: str) -> None:
    found = look(tmp_path, app=text)
    assert [call.method for call in found.calls] == ["commit"]
    assert found.unknown == ()


def test_volumes_are_known_from_file_to_file(tmp_path: Path) -> None:
    found = look(
        tmp_path,
        shop__store="import modal\ngoods = modal.Volume.from_name('goods')\n",
        shop__again="from shop.store import goods as stock\n",
        one="from shop.store import goods as g\ng.commit()\n",
        two="import shop.store\nshop.store.goods.commit()\n",
        three="from shop import store as s\ns.goods.reload()\n",
        four="from shop.again import stock\nstock.reload()\n",
        five="from elsewhere import goods\ngoods.reload()\n",
    )
    assert [str(call.path) for call in found.calls] == ["one.py", "two.py", "three.py", "four.py"]
    assert [str(call.path) for call in found.unknown] == ["five.py"]


def test_what_may_be_no_volume_is_listed_and_can_be_named(tmp_path: Path) -> None:
    text = """
        def save(session, store):
            session.commit()
            store.commit()
            store.commit("with a message")
    """
    found = look(tmp_path, app=text)
    assert [call.receiver for call in found.unknown] == ["session", "store"]
    named = look(tmp_path, ("store",), app=text)
    assert [(call.where, call.within) for call in named.calls] == [("app.py:4", "save")]


def test_a_method_that_is_handed_on_is_listed(tmp_path: Path) -> None:
    text = "import modal\nv = modal.Volume.from_name('v')\npool.submit(v.commit)\n"
    assert look(tmp_path, app=text).uncalled == ("app.py:3: v.commit",)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    found = look(tmp_path, app="def (:\n", other="import modal\n")
    assert [problem.partition(":")[0] for problem in found.broken] == ["app.py"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("app.py", False),
        ("contest.py", False),
        ("test_app.py", True),
        ("app_test.py", True),
        ("conftest.py", True),
        ("tests/shared.py", True),
    ],
)
def test_files_of_tests_are_known_by_their_names(path: str, expected: bool) -> None:
    assert is_test(PurePosixPath(path)) is expected
