"""A real PostgreSQL server of the test's own, which can be stopped, killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from servers.ports import free_port

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
INITDB = next((str(f / "initdb") for f in FOLDERS), None) or shutil.which("initdb")

USER = "postgres"
PASSWORD = "Kirschbaum7"
START_S = 60.0


def needs_postgresql() -> None:
    """Skip the test where no server can be started."""
    if INITDB is None:
        pytest.skip("needs the programs of PostgreSQL (Debian's package postgresql)")
    if os.geteuid() == 0 and USER not in {one.pw_name for one in pwd.getpwall()}:
        pytest.skip(f"PostgreSQL does not run as root, and there is no user {USER}")


class PostgresqlServer:
    """Listens on 127.0.0.1 at `port`, with user `postgres` and `PASSWORD`."""

    def __init__(self) -> None:
        needs_postgresql()
        assert INITDB
        self._postgres = Path(INITDB).with_name("postgres")
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="jikimi-postgresql-"))
        self._process: subprocess.Popen[bytes] | None = None
        as_root = os.geteuid() == 0
        self._user = USER if as_root else None
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if as_root:
            for path in (self.folder, password):
                shutil.chown(path, USER)
        data = self.folder / "data"
        command = [INITDB, "-D", str(data), "-U", USER, "-A", "scram-sha-256", "--no-sync"]
        command += ["-E", "UTF8", "--locale=C.UTF-8", f"--pwfile={password}"]
        subprocess.run(command, user=self._user, check=True, capture_output=True, cwd="/")
        self.start()

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        """As an operator writes it."""
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(self._postgres), "-D", str(self.folder / "data")]
        command += ["-c", "listen_addresses=127.0.0.1", "-p", str(self.port), "-c", "fsync=off"]
        command += ["-k", str(self.folder), "-c", "shared_buffers=16MB"]
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                command, user=self._user, stdout=log, stderr=log, cwd="/"
            )
        until_s = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until_s, "PostgreSQL does not answer"
            time.sleep(0.05)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Stop it at once; whoever is connected is cut off."""
        if self._process:
            self._process.send_signal(signal.SIGINT)  # "fast shutdown" (postgres(1))
            self._process.wait(30)
        self._process = None

    def freeze(self) -> None:
        """Have the server and all its processes stand still."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have them go on."""
        self._signal(signal.SIGCONT)

    def fresh_database(self, name: str) -> str:
        """The URL of a new, empty database."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def close(self) -> None:
        """Stop it and remove all of it."""
        if self._process:
            self.thaw()
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for pid in [self._process.pid, *map(int, children.read_text().split())]:
            with suppress(ProcessLookupError):  # one that has just ended
                os.kill(pid, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
