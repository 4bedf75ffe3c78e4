"""`python -m edge_agent enroll`: has a first certificate made with a one-time token.

A running agent takes it with its next try. Exit codes: 0 enrolled, 1 refused, 3 mistakes in the
configuration, 4 nobody answers.
"""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import grpc

from edge_agent.commands.speaking import (
    CONFIG,
    FAILED,
    OK,
    UNREACHABLE,
    config_of,
    emit,
    say,
    trouble,
)
from edge_agent.config import Config
from edge_agent.errors import AgentError
from edge_agent.parts import enrolment_settings, identity_dir
from edge_agent.uplink.certificate import explained
from edge_agent.uplink.channel import EnrolmentSettings, TlsFiles
from edge_agent.uplink.enrolment import enrol
from edge_agent.uplink.identity_files import IdentityFiles
from pilewise.wrong_words import WordParser

_HASH = re.compile(r"sha256:[0-9A-Fa-f]{64}")


def main(arguments: list[str]) -> int:
    """The exit code of the command with these arguments."""
    parser = WordParser(prog="python -m edge_agent enroll", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, default=Path("agent.toml"))
    parser.add_argument("--token-file", help="file of the token, - for stdin; else the config's")
    parser.add_argument("--ca-hash", default="", help="sha256:… of the district's authority")
    parser.add_argument("--again", action="store_true", help="also where it is enrolled already")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(arguments)
    config = config_of(options.config)
    if config is None:
        return CONFIG
    settings, folder = enrolment_settings(config), identity_dir(config)
    if settings is None or folder is None:
        hint = 'add [uplink] enrol_at = "host:port", the coordinator\'s port for cars'
        trouble("CMD-007", f"{options.config} does not say where to enrol", hint=hint)
        return CONFIG
    files = IdentityFiles(folder)
    if files.newest is not None and not options.again:
        trouble("CMD-008", f"enrolled already, in {folder}", hint="--again makes a new identity")
        return FAILED
    if options.ca_hash:
        if not _HASH.fullmatch(options.ca_hash):
            trouble("CMD-007", f"--ca-hash {options.ca_hash} is no sha256: and 64 digits")
            return CONFIG
        settings = replace(settings, ca_file=None, ca_hash=options.ca_hash)
    token = _token(options.token_file, settings)
    if token is None:
        return CONFIG
    return asyncio.run(_enrol(config, settings, files, token, as_json=options.json))


async def _enrol(
    config: Config, settings: EnrolmentSettings, files: IdentityFiles, token: str, *, as_json: bool
) -> int:
    try:
        ends_s = await enrol(settings, files, token)
    except (grpc.aio.AioRpcError, AgentError, OSError) as error:
        failure = await explained(error, settings.address, TlsFiles(files.trust))
        return _failed(failure, settings.address)
    until = datetime.fromtimestamp(ends_s, UTC).isoformat(timespec="seconds")
    say(f"{settings.agent_id} is enrolled until {until}; the running agent renews it")
    if as_json:
        told = {"agent_id": config.agent.id, "valid_until": until, "folder": str(files.folder)}
        emit({"ok": True, **told})
    return OK


def _failed(failure: Exception, address: str) -> int:
    if not isinstance(failure, grpc.aio.AioRpcError):
        trouble("CMD-009", f"{address}: {failure}")
        return FAILED
    code, text = failure.code(), failure.details()
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        hint = "look at uplink.enrol_at, the firewall, and whether the coordinator runs"
        trouble("NET-001", f"no coordinator answers at {address}", note=text or "", hint=hint)
        return UNREACHABLE
    trouble("CMD-009", f"the coordinator at {address} refused: {text}", note=code.name)
    return FAILED


def _token(told: str | None, settings: EnrolmentSettings) -> str | None:
    """The token, from where the command or the configuration says; None after an error was said."""
    if told == "-":
        return sys.stdin.readline().strip()
    path = Path(told) if told else settings.token_file
    hint = "--token-file FILE, or - for stdin; the operator makes one"
    if path is None:
        trouble("CMD-007", "no token", hint=hint)
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        trouble("CMD-007", f"{path} cannot be read: {error}", hint=hint)
        return None
