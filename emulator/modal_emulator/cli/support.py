"""The command `support`: which of Modal's calls are there, in the terminal."""

import click

__all__ = ["support"]

COLOURS = {"full": "green", "partly": "yellow", "accepted": "cyan", "not built": "red"}
LEVEL_WIDTH = max(map(len, COLOURS)) + 2


@click.command()
@click.argument("name", required=False, default="")
@click.option("--all", "everything", is_flag=True, help="List also the calls that are not built.")
def support(name: str, everything: bool) -> None:
    """
    Show which of Modal's gRPC calls are supported.

    NAME is a call such as VolumeCommit, or a part of a name such as volume. With a name, calls
    that are not built are listed too.
    """
    from modal_emulator.rpc.registry import FAMILIES
    from modal_emulator.rpc.support import NOT_BUILT, lines, offered

    found = [
        line
        for line in lines(FAMILIES, offered())
        if name.lower() in line.name.lower() and (name or everything or line.level != NOT_BUILT)
    ]
    if not found:
        raise click.UsageError(f"No call of Modal's has {name!r} in its name.")
    family = None
    width = max(len(line.name) for line in found)
    for line in found:
        if line.family != family:
            family = line.family
            click.secho(f"{family or 'Not built: these answer UNIMPLEMENTED'}", bold=True)
        level = click.style(line.level, fg=COLOURS[line.level])
        note = f"{'':<{LEVEL_WIDTH - len(line.level)}}{line.note}" if line.note else ""
        click.echo(f"  {line.name:<{width}}  {level}{note}")
