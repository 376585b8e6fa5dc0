"""Ports of containers that have addresses of their own, for all programs in them."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from helpers import eventually
from modal_emulator.runtime.addresses import Addresses, Pool
from yard import Yard

SOURCE = "127.191.0.1"


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.close()


def gate() -> None:
    """Stands for what `scripted` offers to scripts; those run elsewhere."""


@contextmanager
def machine(port: int = 0) -> Iterator[tuple[int, list[str]]]:
    """A server of the machine's own: its port, and where its guests come from."""
    guests: list[str] = []
    with socket.create_server(("127.0.0.1", port)) as listening:

        def serve() -> None:
            while True:
                try:
                    line, peer = listening.accept()
                except OSError:
                    return
                guests.append(peer[0])
                with line:
                    line.sendall(b"machine")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1], guests
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def fetch(host: str, port: int) -> bytes:
    with socket.create_connection((host, port), timeout=60) as line:
        return line.recv(100)


@pytest.fixture
def port() -> Iterator[int]:
    """A port where the machine itself has no server, and gets none meanwhile."""
    with socket.socket() as kept:
        # It does not listen, so with this it is in nobody's way who asks for this very port.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield int(kept.getsockname()[1])


def serve_and_wait() -> None:
    """Serve at the place that the environment names, until the gate opens."""
    import os
    import socket
    import threading

    host, port = os.environ["HOST"], int(os.environ["PORT"])
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    dual = os.environ.get("DUAL") == "yes"
    listening = socket.create_server((host, port), family=family, dualstack_ipv6=dual)

    def serve() -> None:
        while True:
            line, _ = listening.accept()
            with line:
                line.sendall(os.environ["NAME"].encode())

    threading.Thread(target=serve, daemon=True).start()

    def ask(host: str, port: int) -> str:
        try:
            with socket.create_connection((host, port), timeout=60) as line:
                return line.recv(100).decode()
        except OSError as error:
            return type(error).__name__

    for each in os.environ["ASK"].split():
        print(each, ask(each, port), flush=True)
    print("ready", flush=True)
    gate()


def environment(name: str, host: str, port: int, *ask: str, **more: str) -> dict[str, str]:
    return {"NAME": name, "HOST": host, "PORT": str(port), "ASK": " ".join(ask), **more}


def test_two_containers_serve_the_same_port(mounting: Yard, pool: Pool, port: int) -> None:
    async def story() -> None:
        runs = []
        one, two = pool.take(), pool.take()
        for name, address in (("one", one), ("two", two)):
            around = environment(name, "0.0.0.0", port, "127.0.0.1", "localhost", address)
            runs.append(await mounting.run(serve_and_wait, environment=around, address=address))
            said = await runs[-1].says("ready")
            assert said.splitlines()[:3] == [
                f"{each} {name}" for each in ("127.0.0.1", "localhost", address)
            ]
        assert await asyncio.to_thread(fetch, one, port) == b"one"
        assert await asyncio.to_thread(fetch, two, port) == b"two"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(fetch, "127.0.0.1", port)
        await mounting.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("host", "dual", "asked", "is_open"),
    [
        ("127.0.0.1", "", "127.0.0.1", False),
        ("::", "yes", "::1", True),
        ("::", "", "::1", False),
        ("::1", "", "::1", False),
        ("::ffff:127.0.0.1", "yes", "127.0.0.1", False),
    ],
)
def test_what_is_bound_to_loopback_is_seen_inside_only(
    mounting: Yard, pool: Pool, port: int, host: str, dual: str, asked: str, is_open: bool
) -> None:
    async def story() -> None:
        address = pool.take()
        around = environment("one", host, port, asked, DUAL=dual)
        run = await mounting.run(serve_and_wait, environment=around, address=address)
        assert (await run.says("ready")).splitlines()[0] == f"{asked} one"
        if is_open:
            assert await asyncio.to_thread(fetch, address, port) == b"one"
        else:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.to_thread(fetch, address, port)
        await mounting.close()

    asyncio.run(story())


def test_a_server_of_the_machine_is_reached_until_the_container_has_its_own(
    mounting: Yard, pool: Pool
) -> None:
    async def story() -> None:
        def script() -> None:
            import os
            import socket

            port = int(os.environ["PORT"])

            def ask() -> str:
                with socket.create_connection(("localhost", port), timeout=60) as line:
                    return line.recv(100).decode()

            print(ask())
            own = socket.create_server(("127.0.0.1", port))
            with own, socket.create_connection(("127.0.0.1", port)) as line:
                own.accept()[0].sendall(b"own")
                print(line.recv(100).decode())
            print(ask())

        with machine() as (port, guests):
            around = {"PORT": str(port)}
            run = await mounting.run(script, environment=around, address=pool.take())
            assert (await run.printed()).split() == ["machine", "own", "machine"]
        assert guests == ["127.0.0.1"] * 2
        await mounting.close()

    asyncio.run(story())


def test_programs_and_waiting_connections(mounting: Yard, pool: Pool) -> None:
    """A shell's own sockets, asyncio's, and one with a full backlog that waits its turn."""

    async def story() -> None:
        def script() -> None:
            import asyncio
            import socket
            import subprocess
            import threading

            async def talk() -> bytes:
                async def answer(reader: object, writer: asyncio.StreamWriter) -> None:
                    writer.write(b"asyncio")
                    writer.close()

                async with await asyncio.start_server(answer, None, 8123):
                    lines = []
                    for host in ("127.0.0.1", "::1", "localhost"):
                        reader, writer = await asyncio.open_connection(host, 8123)
                        lines.append(await reader.read())
                        writer.close()
                    shell = "exec 3<>/dev/tcp/127.0.0.1/8123; cat <&3"
                    program = await asyncio.create_subprocess_exec(
                        "bash", "-c", shell, stdout=subprocess.PIPE
                    )
                    lines.append((await program.communicate())[0])
                    return b" ".join(lines)

            print(asyncio.run(talk()).decode())
            full = socket.socket()
            full.bind(("127.0.0.1", 8124))
            full.listen(0)
            ahead = [socket.create_connection(("127.0.0.1", 8124)) for _ in range(1)]
            late = []
            thread = threading.Thread(
                target=lambda: late.append(socket.create_connection(("127.0.0.1", 8124)))
            )
            thread.start()
            for _ in range(2):
                full.accept()
            thread.join()
            print(len(ahead + late), "came")
            refused = socket.socket()
            print(refused.connect_ex(("127.0.0.1", 1)))

        run = await mounting.run(script, address=pool.take(), environment={"PATH": "/usr/bin:/bin"})
        assert (await run.printed()).splitlines() == [
            "asyncio asyncio asyncio asyncio",
            "2 came",
            "111",
        ]
        await mounting.close()

    asyncio.run(story())


def test_what_leaves_for_the_machine_leaves_from_the_proxy(mounting: Yard, pool: Pool) -> None:
    async def story() -> None:
        def script() -> None:
            import asyncio
            import os
            import socket
            import subprocess

            port = int(os.environ["PORT"])

            async def talk() -> None:
                await asyncio.open_connection("127.0.0.1", port)

            for host in ("127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1"):
                socket.create_connection((host, port)).close()
            asyncio.run(talk())
            subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"], check=True)
            away = socket.socket()
            away.setblocking(False)
            # An address of nobody's: it must not fail for where it comes from.
            print(away.connect_ex(("192.0.2.1", 9)) in (115, 101))

        with machine() as (port, guests):
            around = {"PORT": str(port), "PATH": "/usr/bin:/bin"}
            run = await mounting.run(
                script, environment=around, address=pool.take(), source_address=SOURCE
            )
            assert await run.printed() == "True"
            # They may still wait to be accepted: nobody waited for an answer.
            assert eventually(lambda: len(guests) == 6)
        assert guests == [SOURCE] * 6
        await mounting.close()

    asyncio.run(story())


def test_emulators_share_the_machine() -> None:
    one, other = Pool(), Pool()
    taken = [one.take(), one.take(), other.take()]
    assert len({each for address in taken for each in _all(address)}) == 9
    one.give(taken[0])
    assert one.take() not in taken
    one.close()
    other.close()


def _all(address: str) -> tuple[str, str, str]:
    own = Addresses.at(address)
    return own.outer, own.inner, own.six
