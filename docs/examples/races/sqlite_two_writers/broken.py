"""
Orders in an SQLite database on a volume, written by every container that takes one.

Within one container SQLite's locks work. Between containers there are none: each has a file of
its own, which is as the database was when it last reloaded, and the commit that comes last
replaces the whole file. The rows that the other one inserted are gone, and the database is not
even damaged.

Remember: a database file has one container that writes it.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import modal

app = modal.App("orders")
volume = modal.Volume.from_name("orders", create_if_missing=True)

ORDERS = Path("/orders")


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(ORDERS / "orders.db")
    connection.execute("create table if not exists orders (item text)")
    return connection


@app.function(volumes={str(ORDERS): volume})
def order(item: str) -> None:
    volume.reload()
    with closing(database()) as connection, connection:
        connection.execute("insert into orders values (?)", [item])
    volume.commit()


@app.function(volumes={str(ORDERS): volume})
def items() -> list[str]:
    volume.reload()
    with closing(database()) as connection:
        return [item for (item,) in connection.execute("select item from orders order by item")]
