"""
A REST API that keeps its items on a volume, with a page to use it from a browser.

    modal serve app.py      # prints the URL; edit this file, and the URL gives the new answer
    modal deploy app.py

    curl $URL/items --json '{"name": "apple", "price": 0.5}'
    curl "$URL/items?limit=10"

Three of Modal's rules decide how this is written:

1. A container sees what others committed after a `reload()`, and others see what it wrote after a
   `commit()`. So a request reloads before it reads, and commits after it wrote.
2. A commit takes whole files, and of two commits of one file the later wins. Each item is a file
   of its own, so two containers that write different items never undo each other's work.
3. `reload()` fails while a file of the volume is open in the container, and while it runs the
   volume looks empty. Requests share a container here, so they take turns at the volume, and
   nobody leaves a file open.
"""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import modal
from fastapi import FastAPI, HTTPException, Query, Response
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

image = modal.Image.debian_slim().pip_install("fastapi")
app = modal.App("rest-api", image=image)
volume = modal.Volume.from_name("rest-api-items", create_if_missing=True)

ITEMS = Path("/data/items")


class NewItem(BaseModel):
    """What a client sends. Anything else is answered with 422 and says what is wrong."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    price: float = Field(ge=0)


class Item(NewItem):
    id: str


class Page(BaseModel):
    items: list[Item]
    after: str | None = Field(description="ask for the next page with this; null: it is the last")


# The name of a file is made of this, so nothing else may be in it.
ItemId = Annotated[str, InPath(pattern="^[0-9a-f]{24}$")]

turn = threading.Lock()


@contextmanager
def reading() -> Iterator[None]:
    """Have the volume to oneself, as it is now."""
    with turn:
        volume.reload()
        yield


@contextmanager
def writing() -> Iterator[None]:
    """Have it to oneself, and let the others see what was written; after an error nothing was."""
    with reading():
        yield
        volume.commit()


def load(item_id: str) -> Item:
    try:
        return Item(id=item_id, **json.loads((ITEMS / f"{item_id}.json").read_text()))
    except FileNotFoundError:
        raise HTTPException(404, f"no item {item_id}") from None


def save(item_id: str, item: NewItem) -> Item:
    """Write the whole file or none of it: Modal commits in the background at any moment, too."""
    ITEMS.mkdir(parents=True, exist_ok=True)
    half = ITEMS / f".{item_id}"
    half.write_text(item.model_dump_json())
    half.replace(ITEMS / f"{item_id}.json")
    return Item(id=item_id, **item.model_dump())


api = FastAPI(title="Items")


# Plain `def`: FastAPI runs these in threads, so that one may wait for its turn.
@api.post("/items", status_code=201)
def create(new: NewItem, response: Response) -> Item:
    # Ids sort by the time at which they were made, so pages come in that order.
    item_id = f"{time.time_ns():016x}{secrets.token_hex(4)}"
    with writing():
        item = save(item_id, new)
    print(f"created {item_id}")  # seen by `modal serve` and `modal app logs rest-api`
    response.headers["Location"] = f"/items/{item_id}"
    return item


@api.get("/items")
def list_items(limit: Annotated[int, Query(ge=1, le=100)] = 20, after: str | None = None) -> Page:
    with reading():
        ids = sorted(path.stem for path in ITEMS.glob("*.json"))
        later = [item_id for item_id in ids if after is None or item_id > after]
        items = [load(item_id) for item_id in later[:limit]]
    return Page(items=items, after=items[-1].id if len(later) > limit else None)


@api.get("/items/{item_id}")
def read(item_id: ItemId) -> Item:
    with reading():
        return load(item_id)


@api.put("/items/{item_id}")
def replace(item_id: ItemId, new: NewItem) -> Item:
    with writing():
        load(item_id)  # or 404: ids are given here, not by clients
        return save(item_id, new)


@api.delete("/items/{item_id}", status_code=204)
def delete(item_id: ItemId) -> None:
    with writing():
        load(item_id)
        (ITEMS / f"{item_id}.json").unlink()


@api.get("/", response_class=HTMLResponse, include_in_schema=False)
def page() -> str:
    return PAGE


@app.function(volumes={"/data": volume})
@modal.concurrent(max_inputs=20)
@modal.asgi_app()
def web() -> FastAPI:
    return api


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Items</title>
<style>
  body { font: 16px/1.5 sans-serif; max-width: 32em; margin: 2em auto; }
  li { display: flex; justify-content: space-between; border-bottom: 1px solid #ddd; }
  #said { color: #b00; }
</style>
<h1>Items</h1>
<form id="form">
  <input id="name" placeholder="name"> <input id="price" placeholder="price" size="6">
  <button id="add">Add</button>
</form>
<p id="said"></p>
<ul id="items"></ul>
<script>
  const at = id => document.getElementById(id);

  async function show() {
    const {items} = await (await fetch("items?limit=100")).json();
    at("items").replaceChildren(...items.map(item => {
      const line = document.createElement("li"), remove = document.createElement("button");
      line.append(`${item.name}: ${item.price.toFixed(2)}`, remove);
      remove.append("remove");
      remove.onclick = async () => {
        await fetch(`items/${item.id}`, {method: "DELETE"});
        await show();
      };
      return line;
    }));
  }

  at("form").onsubmit = async event => {
    event.preventDefault();
    const body = JSON.stringify({name: at("name").value, price: at("price").value});
    const headers = {"Content-Type": "application/json"};
    const answer = await fetch("items", {method: "POST", headers, body});
    const said = await answer.json();
    const wrong = answer.ok ? [] : said.detail.map(error => `${error.loc[1]}: ${error.msg}`);
    at("said").textContent = wrong.join("; ");
    // Lines made anew would swallow a click that is under way; after a refusal they are the same.
    if (answer.ok) await show();
  };

  show();
</script>
</html>
"""
