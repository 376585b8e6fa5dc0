"""
The schedules of all apps: which there are, when they are due, what became of them.

`World.schedules` is what commands and tests ask and tell; it belongs to the event loop.

- `list()` gives every schedule of a live app as a `Scheduled`, by app and function: `fires` says
  whether it fires at all (ephemeral apps do not, unless they were asked to), `next` when.
- `next(count)` gives those that are due next, each once, the earliest first.
- `coming(count)` gives so many of the runs that come next, of one schedule several.
- `history()` gives every run as a `Firing`, oldest first, with due time, start, container and
  what came of it. The journal has `schedule.deployed`, `schedule.fired`, `schedule.finished`,
  `schedule.missed`, and `schedule.failed` for what could not even be begun.
- `pause(name)`, `resume(name)` and `run_now(name)` act on all schedules that the name means: a
  function, `app/function`, an app, a function's id, or all when it is empty.

What is due while a schedule is paused is gone. What was due while nobody was there to fire it,
the server being down or the machine asleep, is decided by `MissedRuns`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from itertools import islice, takewhile
from operator import itemgetter

from modal_emulator.ground.errors import EmulatorError, NotFound
from modal_emulator.ground.journal import Journal
from modal_emulator.ground.virtual import VirtualClock
from modal_emulator.schedule.admission import admit, check_limit
from modal_emulator.schedule.cron import cron_times
from modal_emulator.schedule.firings import Cause, Firing, Firings
from modal_emulator.schedule.period import period_times
from modal_emulator.schedule.rules import FiringApps, MissedRuns, ScheduleRules
from modal_emulator.schedule.timeline import Timeline
from modal_emulator.store.apps import App, Apps, AppState, Function
from modal_emulator.store.schedules import Cron, Schedule, Standing, Standings

__all__ = ["Scheduled", "Schedules"]

OVERSLEPT = 60.0
"""Where the machine's time is followed, what is fired later than this was missed: it slept."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One schedule, as it stands; instants are seconds since 1970."""

    app: str
    app_id: str
    environment: str
    function: str
    function_id: str
    schedule: str
    """As it is written: `Cron('0 2 * * *', timezone='UTC')` or `Period(days=1)`."""
    fires: bool
    """False for an ephemeral app whose schedules were not asked to fire."""
    paused: bool
    next: float | None
    """When it is due next; None when it does not fire, is paused, or never comes again."""
    last: Firing | None
    runs: int
    """How often it ran, by hand as well."""


@dataclass(slots=True)
class _Entry:
    app: App
    tag: str
    function_id: str
    schedule: Schedule
    anchor: float
    standing: Standing


class Schedules:
    """Follows the apps and fires what is due."""

    def __init__(
        self,
        apps: Apps,
        firings: Firings,
        standings: Standings,
        clock: VirtualClock,
        journal: Journal,
        rules: ScheduleRules,
    ) -> None:
        self._apps = apps
        self._firings = firings
        self._standings = standings
        self._clock = clock
        self._journal = journal
        self._rules = rules
        self._entries: dict[str, _Entry] = {}
        self._timeline = Timeline(clock, self._due)
        apps.listen(self._changed)
        self._no_longer = clock.on_set(self._set_anew)

    def start(self) -> None:
        """Take up the schedules of the apps that are deployed, and fire from now on."""
        for app in self._apps.live():  # others than deployed ones were not kept
            self._enter(app, min(app.deployed_at, self._clock.now()), anew=False)
        self._make_up()
        self._timeline.start()

    def close(self) -> None:
        """Fire nothing any more."""
        self._timeline.close()
        self._no_longer()

    def admit(self, function: Function) -> tuple[str, ...]:
        """
        Look at the schedule of a function before it becomes one; return what to warn of.

        Raises:
            Invalid: its app is being deployed, and the schedule cannot be followed.
        """
        app = self._apps.get(function.app_id)
        firmly = app.state is AppState.INITIALIZING or self._fires(app)
        return tuple(admit(function, firmly=firmly))

    def check_limit(self, app_id: str, functions: Iterable[Function]) -> None:
        """
        See whether an app with these functions may be deployed.

        Raises:
            Exhausted: it has too many schedules, with those of all other deployed apps.
        """
        here = sum(1 for f in functions if f.spec.schedule is not None)
        # Deployed once more, an app does not count beside itself [guess].
        others = {
            i
            for i, e in self._entries.items()
            if e.app.state is AppState.DEPLOYED and e.app.app_id != app_id
        }
        check_limit(self._rules.limit, len(others), here)

    def list(self) -> tuple[Scheduled, ...]:
        """Return all schedules, by app and function."""
        return tuple(self._view(entry) for entry in self._sorted())

    def next(self, count: int = 1) -> tuple[Scheduled, ...]:
        """Return the schedules that are due next, each once, the earliest first."""
        return tuple(self._view(self._entries[key]) for key in self._timeline.keys()[:count])

    def coming(self, count: int) -> tuple[Scheduled, ...]:
        """Return so many of the runs that come next, in order: each as its schedule, due then."""
        lines = (self._line(entry) for entry in self._sorted())
        runs = islice(merge(*lines, key=itemgetter(0, 1)), count)
        return tuple(replace(self._view(entry), next=due) for due, _, entry in runs)

    def history(self, newest: int | None = None) -> tuple[Firing, ...]:
        """Return every run, or so many of the newest, oldest first, each as it stands now."""
        return self._firings.history(newest)

    def pause(self, name: str = "") -> tuple[Scheduled, ...]:
        """
        Let schedules not fire until they are resumed, over restarts and deployments.

        Raises:
            NotFound: the name means none.
        """
        return tuple(self._set_paused(entry, True) for entry in self._named(name))

    def resume(self, name: str = "") -> tuple[Scheduled, ...]:
        """
        Let schedules fire again, from now on.

        Raises:
            NotFound: the name means none.
        """
        return tuple(self._set_paused(entry, False) for entry in self._named(name))

    def run_now(self, name: str = "") -> tuple[Firing, ...]:
        """
        Run scheduled functions at once, also those that are paused or of ephemeral apps.

        Raises:
            NotFound: the name means none.
        """
        now = self._clock.now()
        return tuple(self._fire(entry, now, Cause.BY_HAND) for entry in self._named(name))

    def _set_anew(self) -> None:
        """The clock says another time: what lies between was never due."""
        now = self._clock.now()
        for entry in self._sorted():
            entry.anchor = min(entry.anchor, now)
            self._consider(entry, now)
            self._follow(entry, now)

    def _changed(self, app: App) -> None:
        """An app was published or stopped."""
        gone = {i for i, e in self._entries.items() if e.app.app_id == app.app_id}
        if app.live:
            gone -= self._enter(app, self._clock.now(), anew=True)
        for function_id in gone:
            del self._entries[function_id]
            self._standings.drop(function_id)
        self._timeline.drop(gone)

    def _enter(self, app: App, anchor: float, *, anew: bool) -> set[str]:
        """Follow the schedules of an app; return the functions that have one."""
        found = set()
        for _, function_id in sorted(app.function_ids.items()):
            function = self._apps.function(function_id)
            schedule = function.spec.schedule
            if schedule is None:
                continue
            found.add(function_id)
            known = self._entries.get(function_id)
            standing = known.standing if known else self._standings.get(function_id)
            entry = _Entry(app, function.tag, function_id, schedule, anchor, standing)
            self._entries[function_id] = entry
            if known and known.schedule == schedule and isinstance(schedule, Cron):
                continue  # "not disturbed by deploys" (modal-semantics 3 [doc])
            if anew:
                self._consider(entry, anchor)
                self._tell_deployed(entry)
            self._follow(entry, self._clock.now())
        return found

    def _tell_deployed(self, entry: _Entry) -> None:
        if self._fires(entry.app):
            app, schedule = _name(entry.app), str(entry.schedule)
            self._journal.add("schedule.deployed", app=app, function=entry.tag, schedule=schedule)

    def _fires(self, app: App) -> bool:
        return app.state is AppState.DEPLOYED or self._rules.apps is FiringApps.EPHEMERAL_TOO

    def _follow(self, entry: _Entry, after: float) -> None:
        if self._fires(entry.app) and not entry.standing.paused:
            self._timeline.put(entry.function_id, _place(entry), self._times(entry, after))
        else:
            self._timeline.drop([entry.function_id])

    def _times(self, entry: _Entry, after: float) -> Iterator[float]:
        if isinstance(entry.schedule, Cron):
            return cron_times(entry.schedule, after, self._rules.dst_policy)
        return period_times(entry.schedule, entry.anchor, after)

    def _line(self, entry: _Entry) -> Iterator[tuple[float, tuple[str, ...], _Entry]]:
        if self._timeline.next(entry.function_id) is not None:
            for due in self._times(entry, self._clock.now()):
                yield due, _place(entry), entry

    def _due(self, function_id: str, due: float) -> None:
        entry = self._entries[function_id]
        try:
            self._reach(entry, due)
        except (EmulatorError, OSError) as error:
            # A full disk, say: this run does not take place, and the clock goes on.
            self._journal.add(
                "schedule.failed",
                app=_name(entry.app),
                function=entry.tag,
                due=due,
                error=repr(error),
            )

    def _reach(self, entry: _Entry, due: float) -> None:
        now = self._clock.now()
        self._consider(entry, due)
        if now - due <= OVERSLEPT or self._clock.piece is not None:
            self._fire(entry, due, Cause.DUE)
            return
        following = self._timeline.next(entry.function_id)
        self._missed(entry, [due], is_last=following is None or following > now)

    def _make_up(self) -> None:
        """Decide what becomes of what was due since the last server kept this state."""
        now = self._clock.now()
        for entry in self._sorted():
            if self._timeline.next(entry.function_id) is None:
                continue  # paused, or over
            since = max(entry.standing.considered, entry.app.deployed_at)
            missed = list(takewhile(lambda due: due <= now, self._times(entry, since)))
            if missed:
                self._consider(entry, missed[-1])
                self._missed(entry, missed, is_last=True)

    def _missed(self, entry: _Entry, due: Sequence[float], *, is_last: bool) -> None:
        policy = self._rules.missed_runs
        runs = due if policy is MissedRuns.ALL else ()
        if policy is MissedRuns.LATEST and is_last:
            runs = due[-1:]
        self._journal.add(
            "schedule.missed",
            app=_name(entry.app),
            function=entry.tag,
            count=len(due),
            first=due[0],
            last=due[-1],
            made_up=len(runs),
        )
        for instant in runs:
            self._fire(entry, instant, Cause.MISSED)

    def _fire(self, entry: _Entry, due: float, cause: Cause) -> Firing:
        # As it is by now: the newest version runs.
        function = self._apps.function(entry.function_id)
        return self._firings.fire(_name(entry.app), function, due, cause)

    def _consider(self, entry: _Entry, due: float) -> None:
        self._keep(entry, replace(entry.standing, considered=due))

    def _set_paused(self, entry: _Entry, paused: bool) -> Scheduled:
        if paused is not entry.standing.paused:
            now = self._clock.now()
            self._keep(entry, Standing(considered=now, paused=paused))
            self._follow(entry, now)
            kind = "schedule.paused" if paused else "schedule.resumed"
            self._journal.add(kind, app=_name(entry.app), function=entry.tag)
        return self._view(entry)

    def _keep(self, entry: _Entry, standing: Standing) -> None:
        entry.standing = standing
        if entry.app.state is AppState.DEPLOYED:  # others do not outlive this server
            self._standings.put(entry.function_id, standing)

    def _sorted(self) -> tuple[_Entry, ...]:
        return tuple(sorted(self._entries.values(), key=_place))

    def _named(self, name: str) -> tuple[_Entry, ...]:
        found = tuple(e for e in self._sorted() if name in ("", *_names(e)))
        if not found:
            raise NotFound(f"No schedule of '{name}' found" if name else "There are no schedules")
        return found

    def _view(self, entry: _Entry) -> Scheduled:
        return Scheduled(
            app=_name(entry.app),
            app_id=entry.app.app_id,
            environment=entry.app.environment,
            function=entry.tag,
            function_id=entry.function_id,
            schedule=str(entry.schedule),
            fires=self._fires(entry.app),
            paused=entry.standing.paused,
            next=self._timeline.next(entry.function_id),
            last=self._firings.last(entry.function_id),
            runs=self._firings.count(entry.function_id),
        )


def _name(app: App) -> str:
    return app.name or app.description


def _place(entry: _Entry) -> tuple[str, ...]:
    """Return what decides who comes first."""
    return _name(entry.app), entry.tag, entry.function_id


def _names(entry: _Entry) -> tuple[str, ...]:
    """Return everything that a user may call a schedule."""
    app = _name(entry.app)
    return entry.tag, f"{app}/{entry.tag}", app, entry.app.app_id, entry.function_id
