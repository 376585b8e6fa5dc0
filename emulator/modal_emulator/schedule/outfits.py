"""
What the container of a Sandbox is made of.

The same as a Function's, but for what belongs to the SDK's entrypoint: there is none, and no way
to the server that says by itself who calls. Whoever uses the SDK in a Sandbox brings a token.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from modal_emulator.ground.errors import Conflict
from modal_emulator.runtime.backend import Backend, Capability, Container, Exit, Plan
from modal_emulator.runtime.environ import container_environment
from modal_emulator.schedule.commits import Commits, MountPoint
from modal_emulator.schedule.network import Network, Seat
from modal_emulator.schedule.placing import Placing
from modal_emulator.schedule.sandbox import Sandbox
from modal_emulator.store.apps import Apps
from modal_emulator.store.changes import Stamps
from modal_emulator.store.images import Image, Images
from modal_emulator.store.mounts import Mounts

__all__ = ["Outfits"]


class Outfits:
    """Makes the containers of Sandboxes."""

    def __init__(
        self,
        *,
        apps: Apps,
        images: Images,
        mounts: Mounts,
        commits: Commits,
        network: Network,
        placing: Placing,
        backend: Backend,
        clock_page: Callable[[], Path | None],
        stamps: Callable[[], Stamps | None],
        server_url: Callable[[], str],
    ) -> None:
        self._apps = apps
        self._images = images
        self._mounts = mounts
        self._commits = commits
        self._network = network
        self._placing = placing
        self._backend = backend
        self._clock_page = clock_page
        self._stamps = stamps
        self._server_url = server_url

    async def start(
        self, sandbox: Sandbox, on_exit: "Callable[[Exit], asyncio.Future[list[None]] | None]"
    ) -> Container:
        """Start the container, with nothing in it."""
        try:
            seat = self._network.enter(
                sandbox.container_id,
                proxy_id=sandbox.spec.proxy_id,
                offers=self._backend.offers,
            )
            return await self._backend.start(self._plan(sandbox, seat, on_exit))
        except BaseException:
            self._commits.ended(sandbox.container_id)
            raise

    def left(self, sandbox: Sandbox) -> None:
        """The container is gone."""
        self._network.leave(sandbox.container_id)

    def _plan(
        self,
        sandbox: Sandbox,
        seat: Seat,
        on_exit: "Callable[[Exit], asyncio.Future[list[None]] | None]",
    ) -> Plan:
        spec = sandbox.spec
        image = self._images.get(spec.image_id) if spec.image_id else None
        has_image = image is not None and Capability.IMAGES in self._backend.offers
        copied = image.copied if image and not has_image else ()
        points = tuple(
            MountPoint(use.volume_id, use.path, use.read_only, use.sub_path) for use in spec.volumes
        )
        return Plan(
            container_id=sandbox.container_id,
            arguments=b"",
            environment=self._environment(
                sandbox, None if has_image else image, {} if has_image else None
            ),
            image=spec.image_id,
            mounts=self._commits.prepare(sandbox.container_id, points),
            files=tuple(self._mounts.tree(i) for i in (*spec.mount_ids, *copied)),
            working_directory=spec.working_directory
            or (image.working_directory if image else "")
            or "/root",
            socket=None,
            address=seat.address,
            source_address=seat.source_address,
            bare=True,
            limits=spec.limits,
            stamps=self._stamps,
            clock_page=self._clock_page() if self._backend.by_socket else None,
            on_output=lambda _number, _data: None,  # nothing runs there but commands
            on_sync=partial(self._commits.sync, sandbox.container_id),
            on_exit=on_exit,
        )

    def _environment(
        self, sandbox: Sandbox, image: Image | None, base: dict[str, str] | None
    ) -> dict[str, str]:
        spec = sandbox.spec
        place = self._placing.place(sandbox.sandbox_id, spec.placement)
        if place is None:
            raise Conflict("no region that the Sandbox may run in is up")
        environment = container_environment(
            region=place.region,
            cloud=place.cloud,
            image=image.environment if image else {},
            secrets=spec.environment,
            container_id=sandbox.container_id,
            image_id=spec.image_id,
            environment_name=self._apps.get(sandbox.app_id).environment,
            base=base,
        )
        # A token that somebody brings works in a Sandbox, and the SDK ignores those where this is
        # set; `modal shell` brings one [sdk], so Modal sets it in no Sandbox [guess].
        del environment["MODAL_IS_REMOTE"]
        return {
            **environment,
            "MODAL_SANDBOX_ID": sandbox.sandbox_id,
            "MODAL_SERVER_URL": self._server_url(),
        }
