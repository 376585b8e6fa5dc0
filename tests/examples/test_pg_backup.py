"""A database is dumped every night, and a dump makes the same database again."""

from collections.abc import Callable, Iterator
from types import ModuleType

import modal
import pytest
from packaging.version import Version

from modal_emulator.emulator import Running
from postgres import Postgres, binaries, serving

pytestmark = pytest.mark.skipif(
    Version(modal.__version__) < Version("1.0.3"), reason="Cron takes a time zone since 1.0.3"
)

ORDERS = "SELECT id, what, round(price, 2) FROM orders ORDER BY id"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One server for the module: to make one takes seconds."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql; Debian has it as `postgresql`")
    with serving(programs) as postgres:
        yield postgres


@pytest.fixture
def postgres(server: Postgres, modal_emulator: Running) -> Postgres:
    """A shop with two orders, and the secret that leads to it."""
    server.query("DROP TABLE IF EXISTS orders")
    server.query(
        "CREATE TABLE orders (id serial PRIMARY KEY, what text, price numeric, at timestamptz);"
        "INSERT INTO orders (what, price) VALUES ('two apples', 1.5), ('Grüße; -- \"''', 0.1)"
    )
    modal_emulator.secret("pg-backup", server.login)
    return server


def test_a_dump_makes_the_same_database_again(
    postgres: Postgres, modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    pg_backup = example("pg_backup")
    with pg_backup.app.run():
        name = pg_backup.backup.remote()
        orders = postgres.query(ORDERS)
        postgres.query("DELETE FROM orders")
        pg_backup.restore.remote(name, "again")
    assert len(orders) == 2
    assert postgres.query(ORDERS, "again") == orders
    postgres.query("DROP DATABASE again")


def test_a_dump_that_fails_leaves_no_file(
    postgres: Postgres, modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    pg_backup = example("pg_backup")
    modal_emulator.secret("pg-backup", {**postgres.login, "PGPASSWORD": "wrong"})
    with pg_backup.app.run(), pytest.raises(RuntimeError, match="pg_dump ended with code 1"):
        pg_backup.backup.remote()
    assert not modal_emulator.volume("pg-backups").tree()
