"""
One World: everything there is at one time, each thing made once and handed to who needs it.

The World decides nothing. It belongs to one event loop; a new one is made for each test, and one
per state directory for a server.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modal_emulator.engines.choice import open_engines
from modal_emulator.engines.engine import DictEngine, Engines, QueueEngine, Registry
from modal_emulator.findings.levels import Levels
from modal_emulator.findings.secrecy import LeakRules
from modal_emulator.ground.ids import Ids
from modal_emulator.ground.instants import Beginning
from modal_emulator.ground.journal import Journal
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.runtime.backend import Backend, Capability
from modal_emulator.schedule.after_kill import AfterKill
from modal_emulator.schedule.builds import Builds
from modal_emulator.schedule.bygone import Bygones
from modal_emulator.schedule.calls import Calls
from modal_emulator.schedule.commits import Commits
from modal_emulator.schedule.dispatcher import Dispatcher
from modal_emulator.schedule.executions import Executions
from modal_emulator.schedule.explaining import Explaining
from modal_emulator.schedule.eyesight import Eyesight
from modal_emulator.schedule.faults import Faults
from modal_emulator.schedule.faults.naming import Naming
from modal_emulator.schedule.faults.planning import Planning
from modal_emulator.schedule.faults.striking import Striking
from modal_emulator.schedule.firings import Firings
from modal_emulator.schedule.handed import Handed
from modal_emulator.schedule.heirs import Heirs
from modal_emulator.schedule.launcher import ContainerLauncher
from modal_emulator.schedule.leaks import Leaks
from modal_emulator.schedule.limits import PoolLimits
from modal_emulator.schedule.logs import Logs
from modal_emulator.schedule.making import Makings
from modal_emulator.schedule.network import Network
from modal_emulator.schedule.outages import Outages
from modal_emulator.schedule.outfits import Outfits
from modal_emulator.schedule.placing import Placing
from modal_emulator.schedule.rotation import Rotation
from modal_emulator.schedule.rules import ScheduleRules
from modal_emulator.schedule.sandboxes import Sandboxes
from modal_emulator.schedule.schedules import Schedules
from modal_emulator.schedule.settling import Settling
from modal_emulator.schedule.skews import Skews
from modal_emulator.schedule.steps import Steps
from modal_emulator.schedule.surroundings import Certifier, CommandRouter, Surroundings
from modal_emulator.schedule.tunnels import Tunnels
from modal_emulator.store.apps import Apps
from modal_emulator.store.blobs import Blobs
from modal_emulator.store.content import Content
from modal_emulator.store.dicts import DictLimits
from modal_emulator.store.environments import Environments
from modal_emulator.store.grants import Grants
from modal_emulator.store.images import Images
from modal_emulator.store.ledger import Ledger
from modal_emulator.store.mounts import Mounts
from modal_emulator.store.names import Names
from modal_emulator.store.proxies import Proxies
from modal_emulator.store.queues import QueueLimits
from modal_emulator.store.schedules import Standings
from modal_emulator.store.secrets import Secrets
from modal_emulator.store.seeds import Seeds
from modal_emulator.store.sowing import sow
from modal_emulator.store.volumes import VolumeLimits, Volumes
from modal_emulator.store.web_addresses import Addresses, WebAddresses
from modal_emulator.store.web_tokens import WebTokens

__all__ = ["WORKSPACE", "Certifier", "Settings", "Surroundings", "World"]

WORKSPACE = "emulator"
"""The one workspace, and the one user in it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user can choose; times in seconds."""

    background_commit_interval: float = 5.0
    """Modal says "every few seconds" and no number; 0 turns background commits off."""
    after_kill: AfterKill = AfterKill.OBSERVED
    """Whether a container that is killed leaves what it had not committed; see `AfterKill`."""
    clock: Beginning | None = None
    """How the clock begins, in each World anew; None is the machine's time."""
    isolation: str = ""
    """How containers are kept apart: root, userns or plain; empty picks the best there is."""
    listings_per_second: float | None = None
    """More listings of volumes than this are refused as Modal does; None is no limit, because
    Modal's own is not published."""
    faults: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """What is to break from the start, in the words of `schedule/faults/words`."""
    addresses: Addresses = Addresses.LOOPBACK
    """Which form of a web function's address the SDK is given; see `Addresses`."""
    web_requests_per_second: float | None = None
    """More requests to web functions than this are refused with 429; None is no limit. Modal's
    default is 200 (modal-semantics 6 [doc])."""
    runtime: str = "process"
    watch_files: bool = True
    """Whether what containers do with files in volumes is seen, step by step."""
    docker_network: str = "host"
    """The network of containers and builds of the runtime docker, in Docker's words."""
    image_builder_version: str = ""
    """What the server claims; empty takes the newest that the installed SDK knows."""
    pool: PoolLimits = field(default_factory=PoolLimits)
    schedules: ScheduleRules = field(default_factory=ScheduleRules)
    volumes: VolumeLimits = field(default_factory=VolumeLimits)
    keyed_store: str = field(default="", repr=False)
    """URL of a Redis that keeps Dicts and Queues, such as redis://localhost:6379; empty for our own
    ledger. It may hold a password, so no repr shows it."""
    dicts: DictLimits = field(default_factory=DictLimits)
    queues: QueueLimits = field(default_factory=QueueLimits)
    seeds: Seeds = field(default_factory=Seeds)
    leaks: LeakRules = field(default_factory=LeakRules)
    findings: Levels = field(default_factory=Levels)
    """How loudly it is told what went wrong in a run."""


@dataclass(frozen=True, slots=True)
class World:
    """One of each."""

    settings: Settings
    clock: VirtualClock
    ids: Ids
    journal: Journal
    ledger: Ledger
    names: Names
    environments: Environments
    content: Content
    grants: Grants
    blobs: Blobs
    volumes: Volumes
    secrets: Secrets
    proxies: Proxies
    engines: Engines
    mounts: Mounts
    images: Images
    builds: Builds
    apps: Apps
    web: WebAddresses
    web_tokens: WebTokens
    calls: Calls
    logs: Logs
    network: Network
    eyesight: Eyesight
    faults: Faults
    planning: Planning
    striking: Striking
    commits: Commits
    settling: Settling
    steps: Steps
    leaks: Leaks
    dispatcher: Dispatcher
    outages: Outages
    bygones: Bygones
    schedules: Schedules
    authority: Certifier
    executions: Executions
    sandboxes: Sandboxes
    command_router: CommandRouter
    _backend: Backend
    _site_url: Callable[[], str]

    @property
    def offers(self) -> frozenset[Capability]:
        """What containers can do here."""
        return self._backend.offers

    @property
    def site_url(self) -> str:
        """The base URL of the HTTP side door, without a slash at its end."""
        return self._site_url()

    @property
    def explaining(self) -> Explaining:
        """What the journal tells."""
        return Explaining(
            journal=self.journal,
            names=self.names,
            apps=self.apps,
            volumes=self.volumes,
            leaks=self.leaks,
            levels=self.settings.findings,
        )

    @property
    def dicts(self) -> Registry:
        """Which Dicts there are."""
        return self.engines.dicts

    @property
    def queues(self) -> Registry:
        """Which Queues there are."""
        return self.engines.queues

    @property
    def dict_engine(self) -> DictEngine:
        """What is in the Dicts."""
        return self.engines.dict_engine

    @property
    def queue_engine(self) -> QueueEngine:
        """What is in the Queues."""
        return self.engines.queue_engine

    @classmethod
    def open(
        cls, directory: Path, settings: Settings, around: Surroundings, *, durable: bool
    ) -> "World":
        """Open what the directory holds, or begin anew; `durable` keeps the ledger on disk."""
        clock, ids = around.clock, around.ids
        journal = Journal(clock)
        ledger = Ledger(directory if durable else None)
        names = Names(ledger, clock, ids, around.births, user=WORKSPACE)
        environments = Environments(ledger, names, clock, ids)
        content = Content(directory / "content")
        skews = Skews(clock, around.skew_clock)
        volumes = Volumes(
            ledger=ledger,
            names=names,
            environments=environments,
            directory=directory / "volumes",
            content=content,
            clock=clock,
            ids=ids,
            journal=journal,
            limits=settings.volumes,
            stamps=skews.stamps,
        )
        secrets = Secrets(ledger, names, environments, clock, journal, WORKSPACE)
        engines = open_engines(
            settings.keyed_store,
            ledger=ledger,
            names=names,
            environments=environments,
            clock=clock,
            ids=ids,
            dicts=settings.dicts,
            queues=settings.queues,
        )
        sow(settings.seeds, volumes, secrets)
        mounts = Mounts(ledger, content, environments, directory / "mounts", ids)
        blobs = Blobs(ledger, content, ids)
        content.sweep(blobs.contents() | mounts.contents())
        images = Images(ledger, ids, around.births.images)
        apps = Apps(ledger, names, environments, clock, ids)
        calls, logs = Calls(clock, ids), Logs(clock)
        naming = Naming(names, apps, calls)
        faults = Faults(naming, clock, journal, ids, settings.listings_per_second)
        commits = Commits(volumes, journal, settings.after_kill, faults)
        proxies = Proxies(ledger, names, environments, clock, journal)
        network = Network(Tunnels(around.relay, journal), around.addresses, proxies)
        web = WebAddresses(ledger, apps, environments, around.ports, WORKSPACE, settings.addresses)
        placing = Placing()
        translator = around.translator(apps, volumes, web)
        settling = Settling(clock, journal)
        clock.settle_with(settling.settled)
        steps = Steps(settling, journal)
        eyesight = Eyesight(steps, journal, directory / "sight", watches=settings.watch_files)
        handed = Handed(secrets, clock, journal)
        Rotation(handed, steps, journal)
        leaks = Leaks(
            handed=handed,
            volumes=volumes,
            apps=apps,
            logs=logs,
            steps=steps,
            journal=journal,
            rules=settings.leaks,
        )
        heirs = Heirs()
        launcher = ContainerLauncher(
            apps=apps,
            calls=calls,
            images=images,
            mounts=mounts,
            handed=handed,
            commits=commits,
            logs=logs,
            network=network,
            placing=placing,
            steps=steps,
            eyesight=eyesight,
            backend=around.backend,
            clock_page=around.clock_page,
            faults=faults,
            skews=skews,
            door=around.door,
            translator=translator,
            heirs=heirs,
        )
        dispatcher = Dispatcher(
            apps, calls, logs, launcher, clock, settling, ids, journal, settings.pool
        )
        makings = Makings(calls, dispatcher, translator, logs, heirs)
        outages = Outages(placing, dispatcher, logs, journal)
        striking = Striking(faults, steps, clock, settling, dispatcher, outages)
        planning = Planning(faults, around.rpcs)
        planning.begin(settings.faults)
        firings = Firings(calls, dispatcher, translator, clock, journal)
        executions = Executions(clock, journal)
        outfits = Outfits(
            apps=apps,
            images=images,
            mounts=mounts,
            commits=commits,
            network=network,
            placing=placing,
            backend=around.backend,
            clock_page=around.clock_page,
            stamps=clock.stamps,
            server_url=around.server_url,
        )
        sandboxes = Sandboxes(
            apps=apps,
            outfitter=outfits,
            executions=executions,
            commits=commits,
            network=network,
            logs=logs,
            clock=clock,
            settling=settling,
            ids=ids,
            journal=journal,
        )
        standings = Standings(ledger)
        schedules = Schedules(apps, firings, standings, clock, journal, settings.schedules)
        return cls(
            settings=settings,
            clock=clock,
            ids=ids,
            journal=journal,
            ledger=ledger,
            names=names,
            environments=environments,
            content=content,
            grants=Grants(directory / "grants", clock, ids),
            blobs=blobs,
            volumes=volumes,
            secrets=secrets,
            proxies=proxies,
            engines=engines,
            mounts=mounts,
            images=images,
            builds=Builds(getattr(around.backend, "images", None), makings),
            apps=apps,
            web=web,
            web_tokens=WebTokens(ledger, environments, clock, ids),
            calls=calls,
            logs=logs,
            network=network,
            eyesight=eyesight,
            faults=faults,
            planning=planning,
            striking=striking,
            commits=commits,
            settling=settling,
            steps=steps,
            leaks=leaks,
            dispatcher=dispatcher,
            bygones=Bygones(apps, logs, journal),
            outages=outages,
            schedules=schedules,
            authority=around.authority,
            executions=executions,
            sandboxes=sandboxes,
            command_router=around.command_router,
            _backend=around.backend,
            _site_url=around.site_url,
        )

    async def close(self) -> None:
        """End every container and close the ledger."""
        self.schedules.close()
        self.commits.closing()
        await self.builds.close()
        await self.sandboxes.close()
        await self.dispatcher.close()
        await self.commits.close()
        await self.leaks.close()
        self.network.close()
        self.eyesight.shut()
        await self.executions.close()
        self.grants.close()
        await self.engines.close()
        self.ledger.close()
