"""
The connection to a Redis, and what can go wrong with it in our words.

All that changes something there is a script, which Redis runs as one step. It tells the servers
that share this Redis what arrived where. No message or repr of this room contains the URL, as
there may be a password in it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TooLate

from modal_emulator.ground.errors import EmulatorError, Invalid, Unavailable

__all__ = ["CHANNEL", "PREFIX", "Client", "Link", "PubSub", "Script", "Word", "connect"]

PREFIX = "modal-emulator:"
CHANNEL = PREFIX + "arrivals"
PATIENCE_S = 5.0
"""How long to try to reach the server, in the machine's time."""

Answer = bytes | int | None | list["Answer"]
Word = bytes | str | int | float


class PubSub(Protocol):
    """What `redis.asyncio` gives to who listens, as much of it as is used here."""

    async def subscribe(self, channel: str) -> None:
        """Ask for what is told on a channel."""
        ...

    def listen(self) -> AsyncIterator[dict[str, Any]]:
        """Go through what is told, for ever."""
        ...


class Client(Protocol):
    """As much of `redis.asyncio.Redis` as is used here."""

    def register_script(self, script: str) -> Callable[..., Awaitable[Answer]]:
        """Return what runs a script there."""
        ...

    def pubsub(self) -> PubSub:
        """Return what can listen."""
        ...

    async def ping(self) -> object:
        """Ask whether the server is there."""
        ...

    async def aclose(self) -> None:
        """Let the connections go."""
        ...


class Script:
    """One step, done in Redis as a whole."""

    def __init__(self, link: "Link", text: str) -> None:
        self._script = link.client.register_script(text)

    async def __call__(self, keys: Sequence[Word], *words: Word) -> Answer:
        """Run it; raises Unavailable."""
        try:
            return await self._script(keys=keys, args=words)
        except RedisError as error:
            raise _in_our_words(error) from error


class Link:
    """A connection on one event loop, and what the servers that share the Redis tell each other."""

    def __init__(self, client: Client, listening: Client, hear: Callable[[bytes], None]) -> None:
        self.client = client
        self._listening = listening
        self._hear = hear
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Task[None] | None = None
        self._over = False

    async def open(self) -> None:
        """Reach the server and begin to listen; raises Unavailable."""
        try:
            await self.client.ping()
            pubsub = self._listening.pubsub()
            await pubsub.subscribe(CHANNEL)
        except RedisError as error:
            raise _in_our_words(error) from error
        self._listener = asyncio.ensure_future(self._listen(pubsub))

    def later(self, step: Coroutine[object, object, object]) -> None:
        """Do something that nobody waits for, at the latest when the link is closed."""

        async def done() -> None:
            await step

        task = asyncio.ensure_future(done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let the connection go."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            # A message that comes at this moment may swallow the end (`asyncio.wait_for` before
            # Python 3.12), so the listener looks for itself.
            self._over = True
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        await self._listening.aclose()
        await self.client.aclose()

    async def _listen(self, pubsub: PubSub) -> None:
        opened = False
        async for message in pubsub.listen():
            if self._over:
                return
            if message["type"] == "message":
                self._hear(message["data"])
            elif opened:
                self._hear(b"")  # it listens on another connection: something may be missed
            opened = True


def connect(url: str) -> tuple[Client, Client]:
    """Return a client for what is asked, and one that listens and never gives up."""
    once_more = Retry(ExponentialBackoff(), 1)
    patient = Retry(ExponentialBackoff(cap=1.0, base=0.05), -1)
    # An answer is waited for. Newer releases of the client give up after five seconds and then
    # send the script again, which a slow Redis may have run.
    options: dict[str, Any] = {"socket_timeout": None, "socket_connect_timeout": PATIENCE_S}
    try:
        return (
            aioredis.Redis.from_url(url, retry=once_more, **options),
            aioredis.Redis.from_url(url, retry=patient, health_check_interval=0, **options),
        )
    except ValueError:
        # Its message quotes parts of the URL, which may be the password.
        raise Invalid(
            "The URL of the Redis for Dicts and Queues cannot be read. It looks like "
            "redis://[[user]:password@]host:port[/number], and special characters in a password "
            "are written as %XX."
        ) from None


def _in_our_words(error: RedisError) -> EmulatorError:
    reached = "cannot be reached" if isinstance(error, NotConnected | TooLate) else "refused"
    return Unavailable(f"The Redis for Dicts and Queues {reached}: {error}")
