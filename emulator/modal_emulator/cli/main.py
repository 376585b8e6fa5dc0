"""The command `modal-emulator` and its list of commands."""

import click

from modal_emulator import __version__
from modal_emulator.cli.clock import clock
from modal_emulator.cli.cron import cron
from modal_emulator.cli.doctor import doctor
from modal_emulator.cli.exec import exec_
from modal_emulator.cli.faults import faults
from modal_emulator.cli.findings import findings
from modal_emulator.cli.mutate import mutate
from modal_emulator.cli.ping import ping
from modal_emulator.cli.proxy import proxy
from modal_emulator.cli.region import region
from modal_emulator.cli.serve import serve
from modal_emulator.cli.support import support
from modal_emulator.cli.volume import volume
from modal_emulator.cli.web import web

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="modal-emulator %(version)s")
def main() -> None:
    """
    Run and test Modal storage code without Modal.

    Unofficial: not made, endorsed or supported by Modal Labs.
    """


main.add_command(serve)
main.add_command(exec_)
main.add_command(doctor)
main.add_command(mutate)
main.add_command(ping)
main.add_command(support)
main.add_command(volume)
main.add_command(clock)
main.add_command(cron)
main.add_command(region)
main.add_command(faults)
main.add_command(findings)
main.add_command(proxy)
main.add_command(web)
