"""What a project's configuration lets each test begin with."""

from fnmatch import fnmatch

import pytest

from modal_emulator.ground.errors import Invalid
from modal_emulator.pytest_plugin.options import with_options
from modal_emulator.pytest_plugin.seeds import seeds_of_session
from modal_emulator.world import Settings

TESTS = """
import modal
import pytest

app = modal.App("reader")
models = modal.Volume.from_name("models")  # nobody says that it is to be made
newer = modal.Volume.from_name("newer", version=2)
api = modal.Secret.from_name("api", required_keys=["TOKEN"])


@app.function(volumes={"/models": models, "/newer": newer}, secrets=[api], serialized=True)
def read():
    import os
    text = open("/models/d/a").read() + open("/newer/b").read() + os.environ["TOKEN"]
    open("/models/d/a", "w").write("changed")
    return text


@pytest.mark.parametrize("time", [1, 2])
def test_each_begins_with_them(modal_emulator, time):
    with app.run():
        assert read.remote() == "onetwo" + "hunter2"
    volume = modal_emulator.volume("models")
    volume.assert_tree({"d/a": "changed", "e/": None})
    assert [version.function for version in volume.versions] == ["seed", "read"]


def test_nobody_pays_for_what_nobody_looks_into(modal_emulator):
    modal.Volume.from_name("models").hydrate()
    assert not modal_emulator.journal("volume.commit")
    assert modal_emulator.volume("models").read_text("d/a") == "one"
    assert len(modal_emulator.journal("volume.commit")) == 1
    modal_emulator.volume("models").write("d/a", "changed")
    modal_emulator.reset()
    assert modal_emulator.volume("models").tree() == {"d/a": "one", "e/": None}


def test_a_volume_that_was_deleted_begins_empty(modal_emulator):
    getattr(modal.Volume, "objects", modal.Volume).delete("models")  # modal 1.0 has no objects
    assert modal_emulator.volume("models", create=True).tree() == {}


@pytest.mark.modal(seed_volumes={"other": "data/newer"}, seed_secrets={"mail": "api.env"})
def test_the_mark_says_what_else(modal_emulator):
    assert modal_emulator.volume("other").tree() == {"b": "two"}
    assert not modal_emulator.volume("models").exists()
    assert modal_emulator.secret("mail").keys == ("TOKEN",)
    assert not modal_emulator.secret("api").exists()
"""


@pytest.fixture
def project(pytester):
    data = pytester.path / "data"
    (data / "models" / "d").mkdir(parents=True)
    (data / "models" / "e").mkdir()
    (data / "models" / "d" / "a").write_text("one")
    (data / "newer").mkdir()
    (data / "newer" / "b").write_text("two")
    (pytester.path / "api.env").write_text("TOKEN=hunter2\n")
    return pytester


def test_seeds_of_a_project(project):
    project.makeini("""
        [pytest]
        modal_seed_volumes =
            models: data/models
            newer version=2: data/newer
        modal_seed_secrets = api: api.env
    """)
    project.makepyfile(TESTS)
    project.runpytest_inprocess("-q").assert_outcomes(passed=5)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("volumes = models", "modal_seed_volumes: a line is `name: path`, not 'models'"),
        ("volumes = models: data/none", "*: *data/none is not a directory"),
        ("volumes = models: api.env", "*: *api.env is not a directory"),
        ("volumes = mo/dels: data", "*: Invalid Volume name: 'mo/dels'*"),
        ("volumes = models version=3: data", "*: the version of a Volume is 1 or 2, not 3"),
        ("volumes =\n  a: data\n  a: data", "modal_seed_volumes: there are two lines for 'a'"),
        ("secrets = api: none.env", "modal_seed_secrets: 'api: none.env': *No such file*"),
        ("secrets = api: odd.env", "*: Secret key 'a-b' is invalid for environment variables"),
        ("secrets = api version=2: api.env", "modal_seed_secrets: a line is `name: path`, not *"),
    ],
)
def test_a_line_that_makes_no_sense_is_told(project, line, told):
    (project.path / "odd.env").write_text("a-b=hunter2\n")
    project.makeini(f"[pytest]\nmodal_seed_{line}\n")
    with pytest.raises(pytest.UsageError) as caught:
        seeds_of_session(project.parseconfig())
    assert fnmatch(str(caught.value), told)
    assert "hunter2" not in str(caught.value)


def test_the_fixture_tells_it(project):
    project.makeini("[pytest]\nmodal_seed_volumes = models\n")
    project.makepyfile("def test_one(modal_emulator): pass")
    result = project.runpytest_inprocess("-q")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*UsageError: modal_seed_volumes: a line is*"])


def test_an_option_that_makes_no_sense_is_told():
    with pytest.raises(Invalid, match="the option seed_volumes cannot be"):
        with_options(Settings(), {"seed_volumes": ["models"]})
    with pytest.raises(Invalid, match=r"none\.env: No such file"):
        with_options(Settings(), {"seed_secrets": {"api": "none.env"}})
