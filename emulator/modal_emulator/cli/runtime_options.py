"""The options of `serve` and `exec` that say what containers are made of, and what they show."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from modal_emulator.findings.secrecy import LeakRules

__all__ = ["runtime_options", "runtime_settings"]

Command = TypeVar("Command", bound=Callable[..., Any])


def runtime_options(command: Command) -> Command:
    """Give a command these options."""
    add = (
        click.option(
            "--runtime",
            type=click.Choice(("process", "docker")),
            default="process",
            show_default=True,
            envvar="MODAL_EMULATOR_RUNTIME",
            help="What containers are: processes in the local Python environment, or Docker's, of "
            "images that are built.",
        ),
        click.option(
            "--docker-network",
            default="host",
            metavar="NETWORK",
            show_default=True,
            envvar="MODAL_EMULATOR_DOCKER_NETWORK",
            help="The network of Docker's containers and builds.",
        ),
        click.option(
            "--watch-files/--no-watch-files",
            default=True,
            show_default=True,
            envvar="MODAL_EMULATOR_WATCH_FILES",
            help="See what functions do with files in volumes, step by step.",
        ),
        click.option(
            "--mask-logs",
            is_flag=True,
            envvar="MODAL_EMULATOR_MASK_LOGS",
            help="Show ***KEY*** in place of values of secrets in what containers print.",
        ),
    )
    for option in reversed(add):
        command = option(command)
    return command


def runtime_settings(options: dict[str, Any]) -> dict[str, Any]:
    """Take these options out of those of a command, and return them as fields of `Settings`."""
    return {
        "runtime": options.pop("runtime"),
        "docker_network": options.pop("docker_network"),
        "watch_files": options.pop("watch_files"),
        "leaks": LeakRules(mask_logs=options.pop("mask_logs")),
    }
