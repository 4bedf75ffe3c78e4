"""Talks to the running agent through its control socket; plain sockets, no event loop."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edge_agent.control_protocol import address_of
from edge_agent.errors import AgentError


class NotRunning(AgentError):
    """No agent answers in this data folder."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"no agent answers in {folder}: {why}")


def ask(folder: Path, request: Mapping[str, Any], wait_s: float = 10.0) -> dict[str, Any]:
    """The one answer of the agent in a data folder; raises `NotRunning`."""
    answer = next(answers(folder, request, wait_s), None)
    if answer is None:
        raise NotRunning(folder, "it hung up without an answer")
    return answer


def answers(
    folder: Path, request: Mapping[str, Any], wait_s: float | None
) -> Iterator[dict[str, Any]]:
    """The answers as they come, until the agent hangs up; None waits for ever."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(wait_s)
        try:
            with address_of(folder) as address:
                caller.connect(address)
            caller.sendall(json.dumps(request).encode() + b"\n")
            with caller.makefile("r", encoding="utf-8") as lines:
                for line in lines:
                    yield json.loads(line)
        except (OSError, ValueError) as error:
            raise NotRunning(folder, str(error)) from error
