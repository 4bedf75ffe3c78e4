"""A network of its own for the processes of one test: packets are lost or slowed on demand."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """A network namespace with nothing but a loopback device."""

    name: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command begins with to run in it."""
        return "ip", "netns", "exec", self.name

    def run(self, *command: str, text: str = "") -> None:
        """Runs a command in it."""
        words = [*self.prefix, *command]
        subprocess.run(words, input=text, text=True, check=True, timeout=TIMEOUT_S)

    def lose(self, *rules: str) -> None:
        """Drops arriving packets by these rules of nftables, and by no others."""
        body = "".join(f"add rule inet loss arriving {rule} drop\n" for rule in rules)
        chain = "{ type filter hook input priority 0 ; }"
        table = "add table inet loss\ndelete table inet loss\nadd table inet loss\n"
        self.run("nft", "-f", "-", text=f"{table}add chain inet loss arriving {chain}\n{body}")

    def slow(self, rate: str) -> None:
        """Lets so much through, e.g. 64kbit."""
        # Packets of loopback are as large as a bucket must be.
        self.run("ip", "link", "set", "lo", "mtu", "1500")
        shape = ("root", "tbf", "rate", rate, "burst", "3000", "latency", "2s")
        self.run("tc", "qdisc", "replace", "dev", "lo", *shape)

    def full_speed(self) -> None:
        """Slows nothing any more."""
        self.run("tc", "qdisc", "del", "dev", "lo", "root")


@contextlib.contextmanager
def own_network() -> Iterator[OwnNetwork]:
    """A fresh network; skips the test where none can be made."""
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("ip", "tc", "nft")):
        pytest.skip("hint: run as root, with apt-get install iproute2 nftables")
    network = OwnNetwork(f"pilewise-{os.getpid()}")
    made = subprocess.run(["ip", "netns", "add", network.name], check=False, timeout=TIMEOUT_S)
    if made.returncode:
        pytest.skip("hint: network namespaces are not allowed here")
    try:
        network.run("ip", "link", "set", "lo", "up")
        yield network
    finally:
        subprocess.run(["ip", "netns", "del", network.name], check=True, timeout=TIMEOUT_S)
