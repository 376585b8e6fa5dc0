"""The SDK's own entrypoint, forked."""

import asyncio
import os
from pathlib import Path

from modal_emulator.runtime.backend import Exit
from modal_emulator.runtime.process import ENTRYPOINT
from yard import Yard


def real(yard: Yard) -> Yard:
    place = yard.directory / "real"
    place.mkdir()
    return Yard(place, yard.isolation, ENTRYPOINT)


def test_the_zygote_has_one_thread_and_nothing_of_the_users(yard: Yard) -> None:
    async def story() -> None:
        server = real(yard)
        await server.backend.warm()
        place = Path(f"/proc/{server.backend.zygote}")
        assert "Threads:\t1\n" in (place / "status").read_text()
        environ = (place / "environ").read_bytes().split(b"\0")
        names = {entry.partition(b"=")[0] for entry in environ if entry}
        assert b"MODAL_IS_REMOTE=1" in environ  # no ~/.modal.toml is read
        assert b"HOME=/root" in environ and b"MODAL_TOKEN_ID" not in names
        assert os.readlink(place / "cwd") == "/"
        await server.close()

    asyncio.run(story())


def test_a_container_calls_its_server(yard: Yard) -> None:
    async def story() -> None:
        server = real(yard)
        run = await server.run("")  # empty ContainerArguments are valid, too
        end = await server.meet()
        loop = asyncio.get_running_loop()
        assert (await loop.sock_recv(end, 24)).startswith(b"PRI * HTTP/2.0")
        await run.container.kill()
        assert run.ended.result() == Exit(None, 9)
        assert run.said(2) == ""
        end.close()
        await server.close()

    asyncio.run(story())


def test_the_sdk_logs_as_the_environment_says(yard: Yard) -> None:
    async def story() -> None:
        server = real(yard)
        run = await server.run(
            "", environment={"MODAL_LOGLEVEL": "DEBUG", "PATH": os.environ["PATH"]}
        )
        end = await server.meet()
        await run.container.kill()
        assert "Container: starting" in run.said(2)
        end.close()
        await server.close()

    asyncio.run(story())


def test_arguments_that_cannot_be_read_are_told(yard: Yard) -> None:
    async def story() -> None:
        server = real(yard)
        run = await server.run("no ContainerArguments")
        assert (await run.end()).code == 1
        assert "DecodeError" in run.said(2)
        await server.close()

    asyncio.run(story())


def test_what_web_functions_need_is_imported_once(plain: Yard) -> None:
    loaded = "import sys; print('modal._runtime.asgi' in sys.modules)"

    async def story() -> None:
        assert await (await plain.run(loaded)).printed() == "False"
        assert await (await plain.run(loaded, has_web=True)).printed() == "True"
        assert await (await plain.run(loaded)).printed() == "True"  # of the same zygote
        status = Path(f"/proc/{plain.backend.zygote}/status").read_text()
        assert "Threads:\t1\n" in status
        os.kill(plain.backend.zygote or 0, 9)
        assert await (await plain.run(loaded, has_web=True)).printed() == "True"
        await plain.close()

    asyncio.run(story())
