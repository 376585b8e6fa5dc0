"""
All seeded bugs by name: those of the documentation's examples, and those of `seeded`.

The examples are written as their readers write; here they get the shape of the others.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modal_emulator.emulator import Running
from races.case import Bug, Twin

__all__ = ["BUGS", "EXAMPLES"]

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "races"
HERE = Path(__file__).parent / "seeded"


def _example(name: str, program: Callable[[Any, Any, Running], None], **options: Any) -> Bug:
    """Make a bug of an example; `program` gets its test's module and the app's."""
    broken, fixed, test = (
        importlib.import_module(f"{name}.{module}")
        for module in ("broken", "fixed", f"test_{name}")
    )
    setup = options.pop("setup", None)
    return Bug(
        Twin(broken.app, lambda running: program(test, broken, running)),
        Twin(fixed.app, lambda running: program(test, fixed, running)),
        setup=None if setup is None else lambda running: setup(test, running),
        options=options,
    )


def _orders(test: Any, orders: Any, _: Running) -> None:
    owner = orders.Orders() if hasattr(orders, "Orders") else orders
    test.two_orders(owner.order, owner.items)


def _examples() -> Mapping[str, Bug]:
    if str(EXAMPLES) not in sys.path:
        sys.path.insert(0, str(EXAMPLES))
    return {
        "lost_update": _example("lost_update", lambda t, m, _: t.two_are_added(m)),
        "check_then_write": _example("check_then_write", lambda t, m, _: t.two_want_the_name(m)),
        "manifest_before_data": _example(
            "manifest_before_data",
            lambda t, m, _: t.read_while_published(m),
            setup=lambda t, running: t.first_version(running),
        ),
        "early_reload": _example("early_reload", lambda t, m, _: t.a_job_is_worked_on(m)),
        "cron_cleanup": _example(
            "cron_cleanup", lambda t, m, _: t.a_report_is_made(m), crons=("clean",)
        ),
        "two_pollers": _example(
            "two_pollers",
            lambda t, m, running: t.two_runs_overlap(m, running),
            setup=lambda t, running: t.a_letter_lies_in_the_inbox(running),
        ),
        "sqlite_two_writers": _example("sqlite_two_writers", _orders),
        "warm_reader": _example("warm_reader", lambda t, m, _: t.a_price_changes(m)),
        "stale_negative": _example("stale_negative", lambda t, m, _: t.asked_for_too_early(m)),
    }


def _seeded() -> Mapping[str, Bug]:
    names = sorted(path.stem for path in HERE.glob("*.py"))
    return {name: importlib.import_module(f"races.seeded.{name}").BUG for name in names}


BUGS: Mapping[str, Bug] = {**_examples(), **_seeded()}
