"""A PostgreSQL server of a test's own: Debian's binaries, its files in a directory, on loopback."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Postgres", "binaries", "serving"]

PASSWORD = "a password that stands nowhere else"
UNSAFE = "-c fsync=off -c synchronous_commit=off -c shared_buffers=16MB -c max_connections=20"


@dataclass(frozen=True)
class Postgres:
    """Where it listens, and who may log in."""

    port: int
    rules: Path
    """Its pg_hba.conf."""

    def admit(self, *rules: str) -> None:
        """Let these lines come before the others that say who may connect from where."""
        old = self.rules.read_text()
        self.rules.write_text("\n".join((*rules, old)))
        self.query("SELECT pg_reload_conf()")

    @property
    def login(self) -> dict[str, str]:
        """What PostgreSQL's programs want to find in their environment."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "owner",
            "PGPASSWORD": PASSWORD,
            "PGDATABASE": "shop",
        }

    def query(self, sql: str, database: str = "shop") -> list[str]:
        done = subprocess.run(
            ["psql", "--no-align", "--tuples-only", "--quiet", "--command", sql],
            env={"PATH": os.environ["PATH"], **self.login, "PGDATABASE": database},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


def binaries() -> Path | None:
    """Where the newest server's programs are, which Debian keeps off the PATH."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in found), key=lambda p: float(p.parent.name), default=None)


@contextlib.contextmanager
def serving(programs: Path) -> Iterator[Postgres]:
    """Run one with an empty database `shop` as long as the context lasts."""
    # Not in pytest's own directory: nobody may go there, and the server refuses to run as root.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as place:
        data, password = Path(place, "data"), Path(place, "password")
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(place, "nobody")
            shutil.chown(password, "nobody")
        checks = ["--auth=scram-sha-256", f"--pwfile={password}", "--username=owner"]
        form = ["--locale=C", "--encoding=UTF8", "--no-sync"]
        run(programs / "initdb", f"--pgdata={data}", *checks, *form)
        control = [programs / "pg_ctl", f"--pgdata={data}", "--wait", "--timeout=240", "--silent"]
        with socket.socket() as chosen:
            # Kept until the server has it, or another program may be given it meanwhile.
            chosen.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            chosen.bind(("127.0.0.1", 0))
            port = chosen.getsockname()[1]
            options = f"-h 127.0.0.1 -p {port} -c unix_socket_directories='' {UNSAFE}"
            run(*control, f"--log={place}/log", f"--options={options}", "start")
        try:
            postgres = Postgres(port, data / "pg_hba.conf")
            postgres.query("CREATE DATABASE shop", "postgres")
            yield postgres
        finally:
            run(*control, "--mode=immediate", "stop")


def run(*command: str | Path) -> None:
    """Run a program of the server's, as nobody where this is root."""
    nobody = pwd.getpwnam("nobody")
    other = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}
    done = subprocess.run(
        list(map(str, command)),
        cwd="/",
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        # The server keeps these open: pipes would never end.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        timeout=240,
        **(other if os.geteuid() == 0 else {}),
    )
    assert done.returncode == 0, command
