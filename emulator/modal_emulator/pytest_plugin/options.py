"""
What one test can choose for its World.

`OPTIONS` is all there is: the names that a test writes, and how each changes the settings.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from modal_emulator.emulator import Settings
from modal_emulator.ground.errors import Invalid
from modal_emulator.ground.instants import parse_beginning
from modal_emulator.pytest_plugin.leaking import names
from modal_emulator.pytest_plugin.seeds import secret_seeds, volume_seeds
from modal_emulator.schedule.after_kill import AfterKill
from modal_emulator.schedule.cron import DstPolicy
from modal_emulator.schedule.faults.planning import lines_of, tables_of
from modal_emulator.schedule.rules import FiringApps
from modal_emulator.store.web_addresses import Addresses

__all__ = ["OPTIONS", "with_options"]


def with_options(settings: Settings, options: Mapping[str, Any]) -> Settings:
    """
    Return the settings with these options.

    Raises:
        Invalid: there is no such option, or its value makes no sense.
    """
    for name, value in options.items():
        if name not in OPTIONS:
            raise Invalid(f"there is no option {name!r}; there is: {', '.join(OPTIONS)}")
        try:
            settings = OPTIONS[name](settings, value)
        except (TypeError, ValueError):
            raise Invalid(f"the option {name} cannot be {value!r}") from None
    return settings


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not (isfinite(seconds) and seconds >= 0):
        raise ValueError
    return seconds


def _rate(value: Any) -> float | None:
    rate = None if value is None else float(value)
    if rate is not None and not rate > 0:
        raise ValueError
    return rate


def _count(value: Any) -> int | None:
    if value is not None and (type(value) is not int or value < 0):
        raise ValueError
    return value


def _some(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError
    return value


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _faults(value: Any) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    lines = [value] if isinstance(value, str) else list(value)
    found: list[tuple[str, Mapping[str, Any]]] = []
    for line in lines:
        if line.endswith(".toml"):
            found += tables_of(_content(line))
        else:
            found += lines_of([line])
    return tuple(found)


def _content(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from None


def _lines(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


OPTIONS: dict[str, Callable[[Settings, Any], Settings]] = {
    "clock": lambda s, v: replace(s, clock=parse_beginning(v)),
    "background_commit_seconds": lambda s, v: replace(s, background_commit_interval=_seconds(v)),
    "addresses": lambda s, v: replace(s, addresses=Addresses(v)),
    "web_requests_per_second": lambda s, v: replace(s, web_requests_per_second=_rate(v)),
    "after_kill": lambda s, v: replace(s, after_kill=AfterKill(v)),
    "exit_grace_seconds": lambda s, v: replace(s, pool=replace(s.pool, exit_grace=_seconds(v))),
    "failed_starts": lambda s, v: replace(s, pool=replace(s.pool, failed_starts=_some(v))),
    "queued_inputs": lambda s, v: replace(s, pool=replace(s.pool, queued=_some(v))),
    "runtime": lambda s, v: replace(s, runtime=_name(v)),
    "docker_network": lambda s, v: replace(s, docker_network=_name(v)),
    "isolation": lambda s, v: replace(s, isolation=_name(v)),
    "seed_volumes": lambda s, v: replace(s, seeds=replace(s.seeds, volumes=volume_seeds(v))),
    "seed_secrets": lambda s, v: replace(s, seeds=replace(s.seeds, secrets=secret_seeds(v))),
    "schedules": lambda s, v: replace(s, schedules=replace(s.schedules, apps=FiringApps(v))),
    "dst_policy": lambda s, v: replace(s, schedules=replace(s.schedules, dst_policy=DstPolicy(v))),
    "cron_limit": lambda s, v: replace(s, schedules=replace(s.schedules, limit=_count(v))),
    "listings_per_second": lambda s, v: replace(s, listings_per_second=_rate(v)),
    "faults": lambda s, v: replace(s, faults=_faults(v)),
    "watch_files": lambda s, v: replace(s, watch_files=_yes_or_no(v)),
    "leaks_ignore": lambda s, v: replace(s, leaks=replace(s.leaks, ignore=names(v))),
    "leaks_always": lambda s, v: replace(s, leaks=replace(s.leaks, always=names(v))),
    "leaks_min_length": lambda s, v: replace(s, leaks=replace(s.leaks, shortest=_some(v))),
    "mask_logs": lambda s, v: replace(s, leaks=replace(s.leaks, mask_logs=_yes_or_no(v))),
    "findings": lambda s, v: replace(s, findings=s.findings.having(dict(v))),
    "findings_allow": lambda s, v: replace(s, findings=s.findings.allowing(_lines(v))),
    "redis": lambda s, v: replace(s, keyed_store=_name(v)),
}
