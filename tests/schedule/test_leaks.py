"""Where values of secrets come to light, and what is told of it; asked in both runtimes."""

import base64
import gzip
import io
import os
import subprocess
import sys
import zipfile
from dataclasses import fields
from pathlib import Path

import modal
import pytest

from modal_emulator.emulator import Running
from modal_emulator.findings.disguises import disguises
from modal_emulator.pytest_plugin.reports import describe
from modal_emulator.rpc.control import answer
from modal_emulator.schedule.calls import Calls
from modal_emulator.schedule.leaks import Place
from modal_emulator.schedule.logs import Logs
from modal_emulator.world import World

TOKEN = "s3cr3t-Val/ue+for'this"
NEWER = "an0ther-value-n0w"
RUNTIMES = ["inline", "process"]

app = modal.App("leaky")
volume = modal.Volume.from_name("leaky", create_if_missing=True)
partner = modal.Secret.from_name("partner")


@app.function(secrets=[partner], volumes={"/data": volume})
def spill(where: str) -> str:
    token = os.environ["TOKEN"]
    if where == "log":
        print("first line\nlogin with", token)
    elif where == "pieces":
        sys.stdout.write("x" * 70_000 + token[:9])
        sys.stdout.flush()
        sys.stdout.write(token[9:] + "\n")
    elif where == "base64":
        print(base64.b64encode(f"ann:{token}".encode()).decode())
    elif where == "file":
        Path("/data/conf").mkdir(exist_ok=True)
        Path("/data/conf/.env").write_text(f"A=1\nTOKEN={token}")
        volume.commit()
    elif where == "large file":
        Path("/data/big").write_bytes(b"\0" * 3_000_000 + token.encode() + b"\0" * 100)
        volume.commit()
    elif where == "gzip":
        Path("/data/log.gz").write_bytes(gzip.compress(b"first\nTOKEN=" + token.encode()))
        volume.commit()
    elif where == "zip":
        with zipfile.ZipFile("/data/all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("conf.json", base64.b64encode(token.encode()) * 9)
        volume.commit()
    elif where == "name":
        Path("/data", base64.urlsafe_b64encode(token.encode()).decode()).touch()
        volume.commit()
    elif where == "error":
        raise ValueError(f"cannot log in with {token}")
    elif where == "large result":
        return "x" * 1_500_000 + token
    elif where == "dict":
        modal.Dict.from_name("kept", create_if_missing=True)["token"] = {"its": token}
    elif where == "queue":
        modal.Queue.from_name("sent", create_if_missing=True).put(token)
    elif where == "arguments":
        subprocess.run([sys.executable, "-c", "pass", f"--token={token}"], check=True)
    elif where == "nowhere":
        print(sorted(os.environ), len(token))
    return token if where == "result" else ""


@app.function(secrets=[partner])
def yielding():  # type: ignore[no-untyped-def]
    yield "nothing"
    yield os.environ["TOKEN"]


PLACES = {
    "log": ("in the log of spill", "login with ***TOKEN***"),
    "pieces": ("in the log of spill", "***TOKEN***"),
    "base64": ("in the log of spill, as base64", "YW5uOn***TOKEN***"),
    "file": ("in the file conf/.env of volume 'leaky'", "TOKEN=***TOKEN***"),
    "large file": ("in the file big of volume 'leaky'", "***TOKEN***"),
    "gzip": ("in the file log.gz of volume 'leaky', as gzip", "TOKEN=***TOKEN***"),
    "zip": ("in the file all.zip of volume 'leaky', as base64 in zip", "***TOKEN***"),
    "name": ("in a name in volume 'leaky', as base64", "***TOKEN***"),
    "large result": ("in a result of spill", "***TOKEN***"),
    "dict": ("in Dict 'kept'", "***TOKEN***"),
    "queue": ("in Queue 'sent'", "***TOKEN***"),
    "result": ("in a result of spill", "***TOKEN***"),
    "arguments": ("in the arguments of a program that spill starts", "--token=***TOKEN***"),
}


def leaks(emulator: Running) -> dict[str, str]:
    """Return what was found, by its title, without what all titles begin with."""
    emulator.settle()
    found = {
        str(event.values["title"]): str(event.values["text"])
        for event in emulator.journal("finding")
        if event.values["subject"] == "secret leak"
    }
    for event in emulator.journal():
        assert TOKEN not in repr(event) and NEWER not in repr(event)
    begin = "TOKEN of secret 'partner' is "
    assert all(title.startswith(begin) for title in found)
    return {title.removeprefix(begin): text for title, text in found.items()}


@pytest.mark.modal(runtime="inline")
@pytest.mark.parametrize("where", PLACES)
def test_a_value_is_found_where_it_comes_to_light(modal_emulator: Running, where: str) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)
    with app.run():
        spill.remote(where)
    place, text = PLACES[where]
    found = leaks(modal_emulator)
    assert list(found) == [place]
    assert found[place].splitlines()[0].endswith(text) and TOKEN not in found[place]


@pytest.mark.modal(runtime="process")
def test_a_process_is_looked_at_the_same_way(modal_emulator: Running) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)
    with app.run():
        for where in ("log", "file", "dict", "result", "arguments", "nowhere"):
            spill.remote(where)
        with pytest.raises(ValueError, match="cannot log in"):
            spill.remote("error")
    assert set(leaks(modal_emulator)) == {
        *(PLACES[where][0] for where in ("log", "file", "dict", "result", "arguments")),
        "in what is raised by spill",
    }


@pytest.mark.modal(runtime="inline")
def test_an_error_is_found_in_the_log_and_at_the_caller(modal_emulator: Running) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)
    with app.run(), pytest.raises(ValueError, match="cannot log in"):
        spill.remote("error")
    assert set(leaks(modal_emulator)) == {"in the log of spill", "in what is raised by spill"}


@pytest.mark.modal(runtime="inline")
def test_what_a_generator_yields_is_looked_at(modal_emulator: Running) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)
    with app.run():
        assert list(yielding.remote_gen()) == ["nothing", TOKEN]
    assert set(leaks(modal_emulator)) == {"in what is yielded by yielding"}


@pytest.mark.modal(runtime="inline")
def test_who_keeps_it_is_not_told_of(modal_emulator: Running) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)
    with app.run():
        spill.remote("nowhere")
    assert leaks(modal_emulator) == {}


@pytest.mark.modal(runtime="inline")
def test_each_place_is_told_of_once(modal_emulator: Running) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)
    with app.run():
        spill.remote("log")
        spill.remote("log")
    assert len(modal_emulator.journal("finding")) == 1


@pytest.mark.modal(runtime="inline")
def test_a_former_value_is_looked_for_while_a_container_has_it(modal_emulator: Running) -> None:
    secret = modal_emulator.secret("partner", TOKEN=TOKEN)
    with app.run():
        spill.remote("nowhere")
        secret.set(TOKEN=NEWER)
        spill.remote("result")  # of the container that began before
        assert set(leaks(modal_emulator)) == {"in a result of spill"}
    modal_emulator.settle()
    later = modal.Dict.from_name("later", create_if_missing=True)
    later["old"] = TOKEN
    assert set(leaks(modal_emulator)) == {"in a result of spill"}
    later["new"] = NEWER
    assert set(leaks(modal_emulator)) == {"in a result of spill", "in Dict 'later'"}


@pytest.mark.modal(runtime="inline", leaks_ignore=["partner.TOKEN"])
def test_whose_values_are_no_secret_can_be_said(modal_emulator: Running) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)
    with app.run():
        spill.remote("log")
    assert modal_emulator.journal("finding") == ()


@pytest.mark.modal(runtime="inline", mask_logs=True)
def test_logs_are_masked_for_who_asks(
    modal_emulator: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)
    with app.run():
        spill.remote("log")
        spill.remote("base64")
    assert set(leaks(modal_emulator)) == {"in the log of spill"}
    printed = "".join(capfd.readouterr())
    assert "login with ***TOKEN***" in printed and "YW5uOn***TOKEN***" in printed
    assert TOKEN not in printed


@pytest.mark.modal(runtime="inline")
def test_logs_are_the_users_own_otherwise(
    modal_emulator: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)
    with app.run():
        spill.remote("log")
    assert f"login with {TOKEN}" in "".join(capfd.readouterr())


def test_what_is_uploaded_is_looked_through(modal_emulator: Running) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)
    uploaded = modal.Volume.from_name("uploaded", create_if_missing=True)
    with uploaded.batch_upload() as batch:
        batch.put_file(io.BytesIO(f"TOKEN={TOKEN}".encode()), "conf/.env")
    assert leaks(modal_emulator) == {
        "in the file conf/.env of volume 'uploaded'": "TOKEN=***TOKEN***"
    }


def test_bytes_that_came_as_a_blob_are_looked_through(modal_emulator: Running) -> None:
    modal_emulator.secret("partner", TOKEN=TOKEN)

    def look(world: World) -> None:
        blob_id = world.blobs.add(b"\0" * 3_000_000 + TOKEN.encode())
        world.leaks.look_into(world.blobs.path(blob_id), Place("in a blob"))
        world.leaks.look_into(Path("/gone"), Place("nowhere"))

    modal_emulator.ask(look)
    assert leaks(modal_emulator) == {"in a blob": "***TOKEN***"}


@pytest.mark.parametrize("modal_emulator", [{"runtime": each} for each in RUNTIMES], indirect=True)
def test_what_the_emulator_says_of_a_run_shows_no_value(modal_emulator: Running) -> None:
    secret = modal_emulator.secret("partner", TOKEN=TOKEN)
    with app.run():
        for where in ("log", "file", "name", "dict", "queue", "result", "arguments"):
            spill.remote(where)
        with pytest.raises(ValueError, match="cannot log in"):
            spill.remote("error")
        secret.update(TOKEN=NEWER)
        spill.remote("nowhere")
        modal_emulator.settle()
        told = [*map(repr, modal_emulator.journal()), repr(secret)]
        told += [modal_emulator.ask(describe), *modal_emulator.ask(_members)]
    modal_emulator.settle()
    told.append(modal_emulator.ask(describe))
    world = modal_emulator.ask(lambda world: world)
    told.append(modal_emulator.run(answer(world, "VolumeShow", '{"name": "leaky"}')))
    told += [str(modal_emulator.findings()), str(modal_emulator.story())]
    assert "***TOKEN***" in told[-1] and "***TOKEN***" in told[-3]
    found = [text for text in told if "kind='finding'" in text]
    assert len(found) > 7 and any("rotation drift" in text for text in found)
    planted = [form.decode() for value in (TOKEN, NEWER) for form in disguises(value)]
    assert [(form, text) for form in planted for text in told if form in text] == []


def _members(world: World) -> list[str]:
    members = [getattr(world, each.name) for each in fields(world)]
    return [repr(member) for member in (world, *members, *map(_inside, members))]


def _inside(member: object) -> object:
    """Return what a member keeps, but for payloads of calls and logs, which are the user's."""
    return {} if isinstance(member, Calls | Logs) else getattr(member, "__dict__", {})
