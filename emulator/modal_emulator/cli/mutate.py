"""
The command `modal-emulator mutate`: which commits and reloads no test would miss.

It owns what is said of it; how calls are found and tried is in `mutation/`.
"""

import json
import shutil
import signal
import sys
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

import click

from modal_emulator.mutation.mutants import Change
from modal_emulator.mutation.project import Project
from modal_emulator.mutation.sync_points import Survey, is_test, survey
from modal_emulator.mutation.trials import BaselineFailed, Result, Suite, Trial, Verdict

__all__ = ["mutate"]

_NAMES = {change.name.lower(): change for change in Change}


@click.command(
    "mutate", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Only calls in this file or directory; may be repeated. Else all files but tests.",
)
@click.option(
    "--volume",
    "volumes",
    multiple=True,
    metavar="NAME",
    help="What this name stands for is a volume, too, such as self.store; may be repeated.",
)
@click.option(
    "--change",
    "changes",
    multiple=True,
    type=click.Choice(list(_NAMES)),
    help="Only this kind of change; may be repeated.",
)
@click.option(
    "--copy",
    "copies",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A file or directory that git ignores and the tests need; may be repeated.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Run so many changes at a time; only if runs of the tests do not disturb one another.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds for each run. Else five times what the suite takes, and at least 30.",
)
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Succeed from this score on. Else nothing may survive.",
)
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write it there, too."
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def mutate(
    sources: tuple[Path, ...],
    volumes: tuple[str, ...],
    fail_under: float | None,
    file: Path | None,
    command: tuple[str, ...],
    **options: Any,
) -> None:
    r"""
    Run the tests again with each commit and reload removed, doubled or moved.

    COMMAND is how the tests of the project in the current directory are run by pytest. It runs in
    copies; the project is not touched. What survives is a commit or reload that no test would miss.

    \b
    Example: modal-emulator mutate -- pytest -q
    """
    if shutil.which(command[0]) is None:
        raise click.UsageError(f"{command[0]}: command not found")
    signal.signal(signal.SIGTERM, _leave)  # so that copies are removed
    project = Project(Path.cwd(), options["copies"])
    found = survey(project.root, _chosen(project, sources), volumes)
    result = _tried(
        found, Suite(project, command, options["timeout"], options["jobs"]), options["changes"]
    )
    _tell_survey(found)
    _tell_score(result)
    if file is not None:
        file.write_text(json.dumps(_document(result), indent=2) + "\n")
    score = 100 * result.tested / max(len(result.points), 1)
    passed = score >= fail_under if fail_under is not None else not result.untested
    sys.exit(0 if passed else 1)


def _tried(found: Survey, suite: Suite, changes: tuple[str, ...]) -> Result:
    if not found.calls:
        _tell_survey(found)
        raise click.ClickException("no commit or reload of a volume was found")
    try:
        baseline = suite.baseline()
    except BaselineFailed as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        f"{len(found.calls)} commits and reloads; "
        f"{baseline.tests} tests pass in {baseline.seconds:.1f} s without a change"
    )
    wanted = [_NAMES[name] for name in changes] or list(Change)
    return Result(baseline, found, tuple(suite.trials(found.calls, _tell, wanted)))


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _chosen(project: Project, sources: tuple[Path, ...]) -> list[PurePosixPath]:
    python = [path for path in project.files if path.suffix == ".py"]
    if not sources:
        return [path for path in python if not is_test(path)]
    roots = [(project.root / source).resolve() for source in sources]
    return [
        path
        for path in python
        if any((project.root / path).resolve().is_relative_to(root) for root in roots)
    ]


def _tell(trial: Trial) -> None:
    call, verdict = trial.call, trial.verdict.value
    if trial.verdict is Verdict.SURVIVED:
        verdict = verdict.upper()
    by = f" by {trial.by}" if trial.by else ""
    click.echo(
        f"{call.where}  {call.receiver}.{call.method}()  {trial.change.value}: {verdict}{by}"
    )


def _tell_survey(found: Survey) -> None:
    if found.unknown:
        click.echo("\nNot known to be volumes, so left alone (name them with --volume):")
        for call in found.unknown:
            click.echo(f"  {call.where}  {call.text}")
    if found.uncalled:
        click.echo("\nPassed on and not called in place, so left alone:")
        for place in found.uncalled:
            click.echo(f"  {place}")
    for problem in found.broken:
        click.echo(f"\nNot read: {problem}")


def _tell_score(result: Result) -> None:
    if result.untested:
        click.echo("\nUntested:")
    for call in result.untested:
        lived = [
            trial.change.value
            for trial in result.trials
            if trial.call is call and trial.verdict is Verdict.SURVIVED
        ]
        click.echo(f"  {call.where}  {call.text}  (in {call.within or 'the module'})")
        click.echo(f"      no test fails when it is {', '.join(lived)}")
    click.echo(f"\n{result.tested} of {len(result.points)} sync points tested")


def _document(result: Result) -> dict[str, Any]:
    return {
        "baseline": {"tests": result.baseline.tests, "seconds": result.baseline.seconds},
        "points": len(result.points),
        "tested": result.tested,
        "trials": [
            {
                "path": str(trial.call.path),
                "line": trial.call.line,
                "source": trial.call.text,
                "function": trial.call.within,
                "change": trial.change.value,
                "verdict": trial.verdict.value,
                "by": trial.by or None,
            }
            for trial in result.trials
        ],
        "not_recognised": [
            {"path": str(call.path), "line": call.line, "source": call.text}
            for call in result.survey.unknown
        ],
    }
