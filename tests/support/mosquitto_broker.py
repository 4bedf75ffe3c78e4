"""A private mosquitto for tests, and a sink that remembers what sensors said."""

from __future__ import annotations

import asyncio
import base64
import getpass
import hashlib
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt

from edge_agent.core.reading import Surroundings

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
HINT = "hint: apt-get install mosquitto"
EVSE = "A-01*1"
PILE = "A-01"


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Broker:
    """A private mosquitto on one port that can be stopped and started again."""

    folder: Path
    port: int
    more: str = "allow_anonymous true\n"
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Starts it and waits until it listens."""
        config = self.folder / "mosquitto.conf"
        user = getpass.getuser()  # else root becomes mosquitto, who may not read the test's files
        config.write_text(f"listener {self.port} 127.0.0.1\nuser {user}\n{self.more}")
        assert MOSQUITTO is not None
        self.process = await asyncio.create_subprocess_exec(
            MOSQUITTO,
            "-c",
            str(config),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                return

    async def stop(self) -> None:
        """Kills it: what it kept in memory is gone."""
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            self.process = None

    async def publish(self, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
        """Publishes one message and waits for its receipt."""
        async with aiomqtt.Client("127.0.0.1", self.port) as client:
            await client.publish(topic, payload, qos=1, retain=retain)


def password_line(user: str, password: str) -> str:
    """A line of a mosquitto password file: PBKDF2 with SHA-512, as mosquitto_passwd writes it."""
    salt, rounds = os.urandom(12), 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    words = [base64.b64encode(part).decode() for part in (salt, digest)]
    return f"{user}:$7${rounds}${words[0]}${words[1]}\n"


@dataclass
class Heard:
    """A sink that remembers; it knows one EVSE and its pile."""

    words: list[tuple[object, ...]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def __contains__(self, evse_id: object) -> bool:
        return evse_id == EVSE

    def serves(self, pile_id: str) -> bool:
        return pile_id == PILE

    def bay(self, evse_id: str, occupied: bool, at_ms: int | None) -> None:
        self._say("bay", evse_id, occupied, at_ms)

    def queue(self, evse_id: str, length: int, at_ms: int | None) -> None:
        self._say("queue", evse_id, length, at_ms)

    def surroundings(self, pile_id: str, seen: Surroundings, at_ms: int | None) -> None:
        self._say("surroundings", pile_id, seen, at_ms)

    def fix(
        self, pile_id: str, latitude_deg: float, longitude_deg: float, at_ms: int | None
    ) -> None:
        self._say("fix", pile_id, latitude_deg, longitude_deg, at_ms)

    def _say(self, *word: object) -> None:
        self.words.append(word)
        self.news.set()

    async def next(self, count: int) -> None:
        """Returns when that many words were heard in all."""
        await self.until(lambda: len(self.words) >= count)

    async def until(self, true: Callable[[], bool], within_s: float = 15.0) -> None:
        """Returns when the condition holds after a word."""
        async with asyncio.timeout(within_s):
            while not true():
                self.news.clear()
                await self.news.wait()
