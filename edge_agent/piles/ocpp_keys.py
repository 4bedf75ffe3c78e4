"""Password files of charge points, looked at while the agent runs: a new one is taken at once.

Checking them at the start belongs to `config_ocpp.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final, NoReturn

import structlog

from edge_agent.config_ocpp import read_keys

log: Final = structlog.get_logger("edge_agent.ocpp")
LOOK_S: Final = 2.0

Change = Callable[[str, tuple[bytes, ...]], Awaitable[None]]
Keys = Mapping[str, tuple[bytes, ...]]


async def watch_keys(
    files: Mapping[str, Path], known: Keys, change: Change, look_s: float = LOOK_S
) -> NoReturn:
    """Calls `change` with an identity and its new keys; a file that cannot be used changes nothing.

    `files` is by identity, `known` what was read at the start.
    """
    held = dict(known)
    said: dict[str, str] = {}
    while True:
        await asyncio.sleep(look_s)
        for identity, path in files.items():
            keys, why = await asyncio.to_thread(read_keys, path)
            if why and said.get(identity) != why:
                log.error("password file ignored, the old one holds", identity=identity, why=why)
            said[identity] = why
            if keys and keys != held.get(identity):
                held[identity] = keys
                log.info("password changed", identity=identity)
                await change(identity, keys)
