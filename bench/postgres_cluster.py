"""A private PostgreSQL for benches and tests: its own folder, port and user, gone afterwards.

`initdb` refuses root, so as root it runs as nobody. Nothing of it listens beyond loopback.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

HINT: Final = "hint: apt-get install postgresql"
ROLE: Final = "pilewise"
READY_S: Final = 90.0
# Ends the server with us, without code of ours between fork and exec.
END_WITH_PARENT: Final = ("setpriv", "--pdeathsig", "QUIT")


def programs() -> Path | None:
    """The folder with initdb and postgres, the newest; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if found:
        return found[-1].parent
    other = shutil.which("initdb")
    return Path(other).resolve().parent if other else None


def _version(program: Path) -> int:
    name = program.parent.parent.name
    return int(name) if name.isdigit() else 0


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Cluster:
    """One server; `durable` waits for the disk, as a real one does."""

    durable: bool = False
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pilewise-postgres-", dir="/tmp"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    @property
    def data(self) -> Path:
        """The server's own folder."""
        return self.folder / "data"

    def dsn(self, database: str = "postgres", role: str = ROLE) -> str:
        """How a client reaches it."""
        return f"host=127.0.0.1 port={self.port} dbname={database} user={role}"

    def make(self) -> None:
        """Makes an empty cluster whose owner needs no password on loopback."""
        self.run("initdb", "-D", str(self.data), "-U", ROLE, "-A", "trust", "-E", "UTF8",
                 "--locale=C", "--no-sync")  # fmt: skip

    def copy_of(self, other: Cluster, name: str) -> None:
        """Makes a standby of another server, which knows it by this name."""
        source = f"host=127.0.0.1 port={other.port} user={ROLE} application_name={name}"
        self.run("pg_basebackup", "-D", str(self.data), "-d", source, "-R", "-X", "stream",
                 "-c", "fast")  # fmt: skip

    def start(self, *settings: str) -> None:
        """Starts it, with further settings such as "max_connections=20", and waits for it."""
        tools = programs()
        assert tools is not None, HINT
        given = [
            "listen_addresses=127.0.0.1", f"port={self.port}",
            f"unix_socket_directories={self.folder}", "shared_buffers=32MB",
            f"fsync={'on' if self.durable else 'off'}", "logging_collector=off", *settings,
        ]  # fmt: skip
        words = [word for setting in given for word in ("-c", setting)]
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [*END_WITH_PARENT, str(tools / "postgres"), "-D", str(self.data), *words],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, **self._as,
        )  # fmt: skip
        log.close()
        self.wait()

    def wait(self) -> None:
        """Returns when it takes connections; raises `TimeoutError` with the end of its log."""
        end_s = time.monotonic() + READY_S
        while self._ready() != 0:
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > end_s:
                told = (self.folder / "log").read_text(errors="replace")[-2_000:]
                raise TimeoutError(f"PostgreSQL does not come up: {told}")
            time.sleep(0.05)

    def _ready(self) -> int:
        words = ["-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", ROLE, "-d", "postgres"]
        return self.run("pg_isready", *words, check=False)

    def promote(self) -> None:
        """Makes a primary of a standby; returns when it takes writes."""
        self.run("pg_ctl", "promote", "-D", str(self.data), "-w", "-t", "60")

    def kill(self) -> None:
        """SIGKILL for the server and all that it has started."""
        assert self.process is not None
        children = _children(self.process.pid)
        self.process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                os.kill(child, signal.SIGKILL)
        self.process.wait(30)
        self.process = None

    def stop(self) -> None:
        """Ends it at once, as for a shutdown; nothing of it runs when this returns."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
            self.process = None

    def remove(self) -> None:
        """Ends it and removes its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, program: str, *words: str, check: bool = True) -> int:
        """The exit code of one of PostgreSQL's programs; raises with what it said if `check`."""
        tools = programs()
        assert tools is not None, HINT
        done = subprocess.run(
            [str(tools / program), *words], capture_output=True, cwd=self.folder, timeout=120,
            check=False, **self._as,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')[-2_000:]}")
        return done.returncode


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()]
