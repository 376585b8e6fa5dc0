"""Which values are looked for: the table is the rule, as the guide tells it."""

import json

import pytest

from modal_emulator.findings.secrecy import LeakRules, Value, sought


def look(text: str, key: str = "TOKEN", secret: str = "api", **rules: object) -> set[str]:
    return set(sought(Value(key, secret, text), LeakRules(**rules)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "sk-live-0123456789",
        "correct horse battery staple",
        "4012888888881881",
        "/9j4AAQSkZJRgABAQ",
        "https://hooks.slack.example/services/T0001/B0001/XyZ9abc",
        "https://storage.example/file?sig=abcdef",
    ],
)
def test_what_is_secret_is_looked_for(text: str) -> None:
    assert look(text) == {text}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        "True",
        "disabled",
        "production",
        "localhost",
        "TOKEN",
        "xxxxxxxxxx",
        "5432",
        "0.125",
        "2024-01-31",
        "db.internal.example",
        "db.example:5432",
        "10.0.0.1:8000",
        "ann@example.com",
        "/var/lib/data",
        "https://partner.example/api/v1",
    ],
)
def test_what_is_common_or_public_is_not(text: str) -> None:
    assert look(text) == set()


@pytest.mark.parametrize(
    "key", ["PGHOST", "DB_USER", "AWS_REGION", "AWS_ACCESS_KEY_ID", "LOG_LEVEL", "MODEL_NAME"]
)
def test_some_names_are_public(key: str) -> None:
    assert look("anything-at-all", key) == set()


def test_a_password_in_an_address_is_looked_for_by_itself_too() -> None:
    address = "postgresql://ann:p%40ssw0rd@db.example/prod"
    assert look(address, "DATABASE_URL") == {address, "p@ssw0rd"}
    assert look("postgresql://ann:pass@db.example/prod", "DATABASE_URL") == {
        "postgresql://ann:pass@db.example/prod"
    }
    assert look(address, "MAIN_DB") == {"p@ssw0rd"}
    assert look("http://[broken", "URL") == {"http://[broken"}


def test_what_is_secret_in_json_is_looked_for_by_itself_too() -> None:
    account = {"type": "service_account", "private_key_id": "0a1b2c3d", "private_key": "-----KEY"}
    whole = json.dumps(account)
    assert look(whole, "GOOGLE") == {whole, "-----KEY"}
    assert look("{not json", "GOOGLE") == {"{not json"}


def test_without_a_name_only_what_is_called_a_secret_is_one() -> None:
    assert look("bert-base-uncased", "MODEL", secret="") == set()
    assert look("bert-base-uncased", "FLAVOUR", secret="") == set()
    assert look("bert-base-uncased", "FLAVOUR") == {"bert-base-uncased"}
    assert look("abc-def-ghi", "HF_TOKEN", secret="") == {"abc-def-ghi"}
    assert look("-----BEGIN KEY", "X", secret="") == {"-----BEGIN KEY"}
    assert look("mysql://u:longpassword@h/d", "X", secret="") == {
        "mysql://u:longpassword@h/d",
        "longpassword",
    }


def test_users_narrow_and_widen_it() -> None:
    assert look("sk-live-0123", ignore=("TOKEN",)) == set()
    assert look("sk-live-0123", ignore=("TOK*",)) == set()
    assert look("sk-live-0123", ignore=("api.TOKEN",)) == set()
    assert look("sk-live-0123", ignore=("other.TOKEN",)) == {"sk-live-0123"}
    assert look("5432", always=("TOKEN",)) == {"5432"}
    assert look("ab", always=("TOKEN",)) == set()
    assert look("abcd", shortest=4) == {"abcd"}
    assert look("sk-live-0123", shortest=20) == set()


def test_space_around_a_value_does_not_count() -> None:
    assert look("  sk-live-0123\n") == {"sk-live-0123"}


def test_a_value_is_not_in_a_repr() -> None:
    assert "hunter2" not in repr(Value("TOKEN", "api", "hunter2"))
