"""
The orders with one owner: a class with `max_containers=1` is all that opens the database.

Its one container takes one input after the other, for both methods, as long as nothing says
`modal.concurrent`. It reloads first, because it may be a new container or an old one; it can,
because the connection was closed before the commit of the input before. It commits before it
answers, so an order that was confirmed is on the volume, whatever happens to the container.

Where it ends: `max_containers` counts the containers of one version of one app. While a
deployment replaces one version by the next, both may have one. Deploy so that the old containers
end first (`modal deploy --strategy recreate`), and let no other app write the file.
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


@app.cls(volumes={str(ORDERS): volume}, max_containers=1)
class Orders:
    @modal.method()
    def order(self, item: str) -> None:
        volume.reload()
        with closing(database()) as connection, connection:
            connection.execute("insert into orders values (?)", [item])
        volume.commit()

    @modal.method()
    def items(self) -> list[str]:
        volume.reload()
        with closing(database()) as connection:
            return [item for (item,) in connection.execute("select item from orders order by item")]
