"""
Which schedules may be deployed.

The SDK checks nothing but that the function takes no arguments. What Modal's server says of an
expression, a time zone or a span that makes no sense is not known; the words here are ours.
"""

from modal_emulator.ground.errors import Exhausted, Invalid
from modal_emulator.schedule.cron import check_cron
from modal_emulator.schedule.period import check_period
from modal_emulator.store.apps import Function
from modal_emulator.store.schedules import Cron

__all__ = ["admit", "check_limit"]


def admit(function: Function, *, firmly: bool) -> list[str]:
    """
    Look at the schedule of a function; return what to warn of.

    An app that is not deployed runs without its schedules, so for it a warning is enough.

    Raises:
        Invalid: the schedule cannot be followed, and we were asked `firmly`.
    """
    schedule = function.spec.schedule
    if schedule is None:
        return []
    try:
        check_cron(schedule) if isinstance(schedule, Cron) else check_period(schedule)
    except Invalid as error:
        what = f"The schedule of function '{function.tag}', {schedule}, cannot be followed"
        if firmly:
            raise Invalid(f"{what}: {error.message}.") from None
        return [f"{what}, so a deployment would be refused: {error.message}."]
    if isinstance(schedule, Cron) and _is_beyond_crontab(schedule.expression):
        return [
            f"The schedule of function '{function.tag}', {schedule}, uses `L` or `#`, which "
            "crontab.guru does not have; it is not known whether Modal understands them."
        ]
    return []


def check_limit(limit: int | None, deployed: int, here: int) -> None:
    """
    See whether an app with so many schedules may be deployed beside so many others.

    Raises:
        Exhausted: they would be too many.
    """
    if limit is not None and here and deployed + here > limit:
        # The words are Modal's (modal-semantics 3 [observed]); where the line breaks, and of what
        # kind the error is, is not known [guess].
        raise Exhausted(
            f"Deployment failed: reached limit of {limit} cron jobs "
            f"(# already deployed => {deployed}, # in this app => {here})\n"
            "Please upgrade your workspace plan and re-deploy"
        )


def _is_beyond_crontab(expression: str) -> bool:
    _, _, day, _, weekday = expression.upper().split()
    return "L" in day or "L" in weekday or "#" in weekday
