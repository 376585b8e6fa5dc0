"""Secrets in the hands of a test: easily set, and never shown."""

import pytest

from modal_emulator.ground.errors import Invalid, NotFound

VALUE = "hunter2"


@pytest.fixture
def held(modal_emulator):
    """What a container would get of the secret "api"."""

    def held():
        import modal

        secret = modal.Secret.from_name("api")
        secret.hydrate()
        return modal_emulator._emulator.world.secrets.environment([secret.object_id])

    return held


def test_a_secret_is_made_and_replaced(modal_emulator, held):
    secret = modal_emulator.secret("api", KEY="1", OTHER="2")
    assert held() == {"KEY": "1", "OTHER": "2"}
    assert secret.keys == ("KEY", "OTHER")
    modal_emulator.secret("api", {"environment": "x", "name": "y"}, KEY="3")
    assert held() == {"environment": "x", "name": "y", "KEY": "3"}
    modal_emulator.secret("api", {})
    assert held() == {}


def test_a_handle_changes_nothing_by_itself(modal_emulator, held):
    secret = modal_emulator.secret("api")
    assert not secret.exists()
    with pytest.raises(NotFound, match="Secret 'api' not found"):
        _ = secret.keys
    modal_emulator.secret("api", KEY="1")
    assert modal_emulator.secret("api").exists()
    assert held() == {"KEY": "1"}


def test_some_of_it_is_changed(modal_emulator, held):
    secret = modal_emulator.secret("api", KEY="1", OTHER="2")
    secret.update({"MORE": "4"}, KEY="3", OTHER=None)
    assert held() == {"KEY": "3", "MORE": "4"}
    secret.remove()
    assert not secret.exists()


def test_a_dotenv_file_is_read(modal_emulator, held, tmp_path):
    file = tmp_path / "test.env"
    file.write_text('# of the tests\nKEY=1\nexport QUOTED="a b"\nBOTH=${KEY}2\nEMPTY=\nBARE\n')
    secret = modal_emulator.secret("api", OLD="1").from_dotenv(file)
    assert held() == {"KEY": "1", "QUOTED": "a b", "BOTH": "12", "EMPTY": "", "BARE": ""}
    with pytest.raises(FileNotFoundError):
        secret.from_dotenv(tmp_path / "nowhere.env")


def test_another_environment_is_meant(modal_emulator):
    with pytest.raises(NotFound, match="'stage'"):
        modal_emulator.secret("api", environment="stage", KEY=VALUE)
    assert not modal_emulator.secret("api").exists()


def test_values_are_not_told(modal_emulator):
    secret = modal_emulator.secret("api", KEY=VALUE)
    assert repr(secret) == "<Secret 'api'>"
    for values, text in (
        ({"a-b": VALUE}, "Secret key 'a-b' is invalid"),
        ({"KEY": VALUE + "\0"}, "The value of 'KEY' contains a NUL"),
        ({"KEY": [VALUE]}, "the value of 'KEY' in a Secret is a str, not list"),
        ({"KEY": None}, "the value of 'KEY' in a Secret is a str, not NoneType"),
        ({1: VALUE}, "a key of a Secret is a str, not int"),
    ):
        for change in (secret.set, secret.update) if None not in values.values() else (secret.set,):
            with pytest.raises(Invalid, match=text) as caught:
                change(values)
            assert VALUE not in str(caught.value)
    assert VALUE not in repr(modal_emulator.journal())


def test_values_are_in_no_traceback(pytester):
    pytester.makepyfile("""
        import modal_values

        def test_odd(modal_emulator):
            modal_emulator.secret("api", {"a-b": modal_values.VALUE})

        def test_long(modal_emulator):
            modal_emulator.secret("api").update(KEY=modal_values.VALUE * 10000)

        def test_file(modal_emulator):
            modal_emulator.secret("api").from_dotenv(modal_values.FILE)
    """)
    file = pytester.makefile(".env", f"a-b={VALUE}")
    pytester.makepyfile(modal_values=f"VALUE, FILE = {VALUE!r}, {str(file)!r}")
    result = pytester.runpytest("-q", "--full-trace", "--showlocals", "--tb=long")
    result.assert_outcomes(failed=3)
    assert VALUE not in result.stdout.str()
