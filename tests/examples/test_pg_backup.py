"""A database is dumped every night, and a dump makes the same database again."""

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType

import modal
import pytest
from packaging.version import Version

from modal_emulator.cron import ScheduledRun
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
    modal_emulator.clock.freeze()  # the delays before the two retries need not be waited for
    with pg_backup.app.run(), pytest.raises(RuntimeError, match="pg_dump ended with code 1"):
        pg_backup.backup.remote()
    assert not modal_emulator.volume("pg-backups").tree()


def test_a_week_in_which_the_clocks_change(
    postgres: Postgres, modal_emulator: Running, example: Callable[[str], ModuleType]
) -> None:
    """Two o'clock in London is 02:00 UTC, and 01:00 UTC from the 31st of March 2024 on."""
    pg_backup = example("pg_backup")
    clock = modal_emulator.clock
    clock.freeze("2024-03-27T12:00:00Z")
    pg_backup.app.deploy()
    assert names(clock.advance(days=1)) == ["shop-2024-03-28T020000Z.sql.gz"]
    postgres.query("INSERT INTO orders (what, price) VALUES ('three plums', 4)")
    runs = clock.advance(days=6)
    assert names(runs) == [
        "shop-2024-03-29T020000Z.sql.gz",
        "shop-2024-03-30T020000Z.sql.gz",
        "shop-2024-03-31T010000Z.sql.gz",
        "shop-2024-04-01T010000Z.sql.gz",
        "shop-2024-04-02T010000Z.sql.gz",
        "shop-2024-04-03T010000Z.sql.gz",
    ]
    assert {run.status for run in runs} == {"success"}
    # What was kept is a file for each of the last nights, and one of exactly three days ago.
    kept = [f"backups/{name}" for name in names(runs)[-4:]]
    assert sorted(modal_emulator.volume("pg-backups").tree()) == kept

    pg_backup.restore.remote(kept[0].removeprefix("backups/"), "that_night")
    assert postgres.query(ORDERS, "that_night") == postgres.query(ORDERS)
    postgres.query("DROP DATABASE that_night")


def names(runs: Iterable[ScheduledRun]) -> list[str]:
    """Say how the dumps are called that these runs were to make."""
    return [f"shop-{run.due:%Y-%m-%dT%H%M%SZ}.sql.gz" for run in runs]
