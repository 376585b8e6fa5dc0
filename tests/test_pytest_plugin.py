"""
The fixture, as users use it: each test here is a small test run of a user's.

The user's run is a process of its own (`runpytest_subprocess`) wherever the SDK takes part: its
client, its handles and its threads belong to one process and must not be shared with this one.
It is forked from one that has imported the SDK (`user`), or begins cold (`cold_user`) where a test
is about what is imported or what an import reads.
"""

import os
from pathlib import Path

import pytest

from warm import WITHOUT_OTHERS

APP = """
from pathlib import Path
import modal

app = modal.App("shop")
volume = modal.Volume.from_name("orders", create_if_missing=True)
secret = modal.Secret.from_dict({"COLOUR": "blue"})
orders = modal.Dict.from_name("orders", create_if_missing=True)
line = modal.Queue.from_name("orders", create_if_missing=True)
DATA = Path("/data")

@app.function(volumes={"/data": volume}, secrets=[secret])
def write(name, text):
    import os
    print("writing", name, "in", os.environ["COLOUR"])
    (DATA / name).write_text(text)
    volume.commit()
    orders[name] = text
    line.put(name)

@app.function(volumes={"/data": volume})
def names():
    return sorted(path.name for path in DATA.iterdir())

@app.function()
def fail(number):
    apples = number / 0  # the user's own line
    return apples
"""


@pytest.fixture
def cold_user(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A user's directory with an app, and no Modal account."""
    for name in [name for name in os.environ if name.startswith("MODAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MODAL_CONFIG_PATH", "/dev/null")
    monkeypatch.setenv("PYTEST_ADDOPTS", WITHOUT_OTHERS)
    pytester.makepyfile(shop=APP)
    pytester.syspathinsert()
    return pytester


@pytest.fixture
def user(
    cold_user: pytest.Pytester, warm: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """The same, with runs that need not import the SDK."""
    monkeypatch.setattr(cold_user, "_getpytestargs", lambda: (str(warm / "python-m-pytest"),))
    return cold_user


@pytest.mark.slow
def test_module_level_handles_meet_fresh_state_in_each_test(
    cold_user: pytest.Pytester, tidy: None
) -> None:
    cold_user.makepyfile("""
        import pytest, shop

        @pytest.mark.parametrize("turn", range(3))
        def test_volume_is_empty_at_first(modal_emulator, turn):
            assert list(shop.volume.listdir("/")) == []
            assert (shop.orders.len(), shop.line.len()) == (0, 0)
            with shop.app.run():
                assert shop.names.remote() == []
                shop.write.remote(f"{turn}.txt", "x")
            assert (shop.orders.get(f"{turn}.txt"), shop.line.get()) == ("x", f"{turn}.txt")
            assert [entry.path for entry in shop.volume.listdir("/")] == [f"{turn}.txt"]

        def test_handle_used_first_in_a_container(modal_emulator):
            with shop.app.run():
                assert shop.names.remote() == []
    """)
    cold_user.runpytest_subprocess("-q").assert_outcomes(passed=4)


@pytest.mark.slow
def test_what_containers_print_is_captured(user: pytest.Pytester) -> None:
    user.makepyfile("""
        import modal, shop

        def test_prints(modal_emulator, capsys):
            with shop.app.run():
                shop.write.remote("a", "b")
            assert "writing a in blue" in capsys.readouterr().out

        def test_prints_once(modal_emulator, capsys):
            with modal.enable_output(), shop.app.run():
                shop.write.remote("a", "b")
            assert capsys.readouterr().out.count("writing a in blue") == 1

        def test_fails_later(modal_emulator):
            with shop.app.run():
                shop.write.remote("c", "d")
            assert False
    """)
    result = user.runpytest_subprocess("-q")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*Captured stdout call*", "writing c in blue"])


@pytest.mark.slow
def test_failure_shows_the_users_own_lines(user: pytest.Pytester) -> None:
    user.makepyfile("""
        import shop

        def test_divides(modal_emulator):
            with shop.app.run():
                shop.fail.remote(7)
    """)
    result = user.runpytest_subprocess("-q")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*shop.fail.remote(7)",
            ">*apples = number / 0  # the user's own line",
            "E*ZeroDivisionError*",
            "*/shop.py:*: ZeroDivisionError",
        ]
    )


def test_nothing_happens_without_the_fixture(cold_user: pytest.Pytester, tidy: None) -> None:
    cold_user.makepyfile("""
        import os, sys

        def test_plain():
            heavy = {"modal", "grpclib", "google.protobuf", "aiohttp", "modal_emulator.emulator"}
            assert not heavy & set(sys.modules)
            assert "MODAL_SERVER_URL" not in os.environ
    """)
    cold_user.runpytest_subprocess("-q").assert_outcomes(passed=1)


@pytest.mark.slow
def test_surroundings_come_back(
    cold_user: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODAL_SERVER_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("MODAL_PROFILE", "work")
    cold_user.makepyfile("""
        import os, socket
        import pytest
        import modal
        from modal.client import _Client

        before, lookup = dict(os.environ), socket.getaddrinfo

        @pytest.fixture(autouse=True)
        def check():
            yield
            now = dict(os.environ)
            ignored = {"PYTEST_CURRENT_TEST"}
            assert {k: v for k, v in now.items() if k not in ignored} == {
                k: v for k, v in before.items() if k not in ignored
            }
            assert socket.getaddrinfo is lookup
            assert _Client._client_from_env is None

        def test_uses_it(modal_emulator):
            assert os.environ["MODAL_SERVER_URL"] == modal_emulator.server_url
            assert "MODAL_PROFILE" not in os.environ
            modal.Volume.from_name("v", create_if_missing=True).hydrate()
            assert _Client._client_from_env is not None

        def test_does_not():
            assert os.environ["MODAL_PROFILE"] == "work"

        def test_uses_it_and_fails(modal_emulator):
            modal.Volume.from_name("v").hydrate()
    """)
    result = cold_user.runpytest_subprocess("-q")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*NotFoundError*Volume 'v' not found in environment 'main'*"])


@pytest.mark.slow
def test_client_from_before_is_put_aside(user: pytest.Pytester) -> None:
    """A client that was opened earlier, here to another emulator, is neither used nor lost."""
    user.makepyfile("""
        import os
        import modal, pytest
        from modal_emulator.emulator import running

        @pytest.fixture(scope="module")
        def elsewhere():
            with running() as other, pytest.MonkeyPatch.context() as patch:
                for name, value in other.environment.items():
                    patch.setenv(name, value)
                volume = modal.Volume.from_name("v", create_if_missing=True).hydrate()
                client = modal.Client.from_env()
                yield volume, client

        def test_not_used(elsewhere, modal_emulator):
            volume, client = elsewhere
            assert modal.Client.from_env() is not client
            with pytest.raises(modal.exception.NotFoundError):
                modal.Volume.from_name("v").hydrate()
            with pytest.raises(modal.exception.ClientClosed):
                volume.listdir("/")

        def test_not_lost(elsewhere):
            volume, client = elsewhere
            assert modal.Client.from_env() is client
            assert list(volume.listdir("/")) == []
    """)
    user.runpytest_subprocess("-q").assert_outcomes(passed=2)


@pytest.mark.slow
def test_modal_itself_is_out_of_reach(cold_user: pytest.Pytester) -> None:
    cold_user.makepyfile("""
        import modal
        from modal_emulator import guard

        def test_reaches_out(modal_emulator, monkeypatch):
            refuse = guard._reached_out
            monkeypatch.setattr(guard, "_reached_out", lambda *how: print("asked") or refuse(*how))
            monkeypatch.setenv("MODAL_SERVER_URL", "https://api.modal.com")
            client = modal.Client.from_credentials("ak-mine", "as-mine")
            client.hello()
    """)
    result = cold_user.runpytest_subprocess("-q")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ReachedOut: refused to connect to api.modal.com*"])
    assert result.outlines.count("asked") == 1  # the SDK tries again for a while what may come yet


@pytest.mark.slow
def test_each_worker_has_a_server_of_its_own(user: pytest.Pytester, tidy: None) -> None:
    user.makepyfile("""
        import pytest, shop

        @pytest.mark.parametrize("turn", range(4))
        def test_alone(modal_emulator, turn):
            with shop.app.run():
                shop.write.remote(f"{turn}.txt", "x")
                assert shop.names.remote() == [f"{turn}.txt"]
    """)
    user.runpytest_subprocess("-q", "-n", "2").assert_outcomes(passed=4)


@pytest.mark.slow
def test_setting_reaches_the_emulator(user: pytest.Pytester) -> None:
    user.makeini("[pytest]\nmodal_background_commit_seconds = 0.05")
    user.makepyfile("""
        import time, modal

        app = modal.App("slow")
        volume = modal.Volume.from_name("v", create_if_missing=True)

        @app.function(volumes={"/data": volume})
        def write():
            open("/data/file", "w").close()

        def test_commits_soon(modal_emulator):
            with app.run():
                write.remote()
                end = time.monotonic() + 60
                while not list(volume.listdir("/")):
                    assert time.monotonic() < end
    """)
    user.runpytest_subprocess("-q").assert_outcomes(passed=1)


@pytest.mark.parametrize("value", ["soon", "-1", "inf", "nan"])
def test_setting_without_sense_is_named(user: pytest.Pytester, value: str) -> None:
    user.makeini(f"[pytest]\nmodal_background_commit_seconds = {value}")
    user.makepyfile("def test_any(modal_emulator): pass")
    result = user.runpytest_subprocess("-q")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*modal_background_commit_seconds must be*not '{value}'*"])


@pytest.mark.slow
def test_a_mark_changes_settings_for_its_test(user: pytest.Pytester) -> None:
    user.makepyfile("""
        import pytest

        pytestmark = pytest.mark.modal_emulator(background_commit_seconds=0, after_kill="lost")

        @pytest.mark.modal_emulator(after_kill="kept", exit_grace_seconds=1, listings_per_second=2)
        def test_own(modal_emulator):
            settings = modal_emulator.settings
            assert settings.background_commit_interval == 0
            assert settings.after_kill == "kept"
            assert settings.pool.exit_grace == 1
            assert settings.listings_per_second == 2

        def test_of_the_module(modal_emulator):
            settings = modal_emulator.settings
            assert (settings.background_commit_interval, settings.after_kill) == (0, "lost")
            assert settings.pool.exit_grace == 30
    """)
    user.makepyfile(
        test_plain="""
        def test_plain(modal_emulator):
            assert modal_emulator.settings.background_commit_interval == 5
            assert modal_emulator.settings.after_kill == "observed"
    """
    )
    user.runpytest_subprocess("-q", "--strict-markers").assert_outcomes(passed=3)


@pytest.mark.slow
def test_the_closest_setting_counts(user: pytest.Pytester) -> None:
    """Configuration, command line, fixture, mark, parameter: each is closer than the one before."""
    user.makeini("[pytest]\nmodal_runtime = docker\nmodal_background_commit_seconds = 1\n")
    user.makepyfile("""
        import pytest

        @pytest.fixture(params=[2, 3])
        def modal_emulator_settings(request):
            return {"background_commit_seconds": request.param, "exit_grace_seconds": 4}

        def test_fixture(modal_emulator, modal_emulator_settings):
            settings = modal_emulator.settings
            asked = modal_emulator_settings["background_commit_seconds"]
            assert settings.background_commit_interval == asked
            assert (settings.pool.exit_grace, settings.runtime) == (4, "process")

        @pytest.mark.modal(exit_grace_seconds=5, after_kill="kept")
        def test_mark(modal_emulator):
            settings = modal_emulator.settings
            assert (settings.pool.exit_grace, settings.after_kill) == (5, "kept")

        @pytest.mark.modal_emulator(exit_grace_seconds=5)
        @pytest.mark.parametrize("modal_emulator", [{"exit_grace_seconds": 6}], indirect=True)
        def test_parameter(modal_emulator):
            assert modal_emulator.settings.pool.exit_grace == 6
    """)
    user.makepyfile(
        test_plain="""
        def test_plain(modal_emulator):
            assert modal_emulator.settings.background_commit_interval == 1
    """
    )
    options = ("-q", "--strict-markers", "--modal-runtime", "process")
    user.runpytest_subprocess(*options).assert_outcomes(passed=7)


@pytest.mark.slow
def test_containers_may_be_kept_apart_otherwise_in_each_test(
    user: pytest.Pytester, tidy: None
) -> None:
    user.makepyfile("""
        import pytest, shop
        from modal_emulator.runtime.backend import Capability

        @pytest.mark.parametrize("turn", range(2))
        @pytest.mark.parametrize("isolation", ["", "plain"])
        def test_each(request, isolation, turn):
            request.applymarker(pytest.mark.modal(runtime="process", isolation=isolation))
            emulator = request.getfixturevalue("modal_emulator")
            assert (Capability.EPHEMERAL_DISK in emulator.offers) == (not isolation)
            with shop.app.run():
                shop.write.remote("x.txt", "x")
                assert shop.names.remote() == ["x.txt"]
    """)
    user.runpytest_subprocess("-q").assert_outcomes(passed=4)


def test_runtimes_that_are_not_there_are_named(user: pytest.Pytester) -> None:
    user.makepyfile("""
        import pytest

        def test_session(modal_emulator):
            pass
    """)
    result = user.runpytest_subprocess("-q", "-o", "modal_runtime=podman")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*modal_runtime must be one of auto, *, not 'podman'"])


SENSELESS = [
    ("runtime='podman'", "unknown runtime 'podman'; *"),
    ("isolation=7", "the option isolation cannot be 7"),
    ("after_kill='maybe'", "the option after_kill cannot be 'maybe'"),
    ("exit_grace_seconds=-1", "the option exit_grace_seconds cannot be -1"),
    ("background_commit_seconds=None", "the option background_commit_seconds cannot be None"),
    ("schedules='all'", "the option schedules cannot be 'all'"),
    ("cron_limit=True", "the option cron_limit cannot be True"),
    ("listings_per_second=0", "the option listings_per_second cannot be 0"),
    ("colour='blue'", "there is no option 'colour'; there is: *background_commit_seconds, *"),
    ("'lost'", "@pytest.mark.modal takes options by name only"),
]


@pytest.mark.slow
def test_a_mark_without_sense_is_named(user: pytest.Pytester) -> None:
    tests = [
        f"@pytest.mark.modal({arguments})\ndef test_{number}(modal_emulator): pass\n"
        for number, (arguments, _) in enumerate(SENSELESS)
    ]
    user.makepyfile("import pytest\n" + "\n".join(tests))
    result = user.runpytest_subprocess("-q")
    result.assert_outcomes(errors=len(SENSELESS))
    for number, (_, complaint) in enumerate(SENSELESS):
        result.stdout.fnmatch_lines([f"*ERROR at setup of test_{number} *", f"*{complaint}"])


@pytest.mark.slow
def test_faults_that_did_not_happen_are_told(user: pytest.Pytester) -> None:
    user.makepyfile("""
        import pytest, shop

        def test_lists_once(modal_emulator):
            modal_emulator.faults.listing_rate_limited("orders", times=2)
            with pytest.raises(Exception, match="rate limit exceeded"):
                shop.volume.listdir("/")

        def test_next(modal_emulator):
            assert modal_emulator.faults.left == ()
            assert shop.volume.listdir("/") == []
    """)
    result = user.runpytest_subprocess("-q")
    result.assert_outcomes(passed=2)  # the SDK may warn besides, of an old Python say
    assert result.stdout.str().count("FaultsLeft:") == 1
    result.stdout.fnmatch_lines(
        ["*FaultsLeft: planned and never met: listing_rate_limited('orders', times=1)"]
    )
    strict = user.runpytest_subprocess(
        "-q", "-W", "error::modal_emulator.pytest_plugin.leftovers.FaultsLeft"
    )
    strict.assert_outcomes(passed=2, errors=1)
