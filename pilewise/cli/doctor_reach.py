"""What the doctor looks at beyond the bare host: configurations, ports, models, a coordinator."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pilewise.cli import config_keys
from pilewise.cli.doctor_finding import Finding, error, note, ok, warning

# Where things listen when nobody says otherwise, as `pilewise config init` writes it.
USUAL: Final = {"coordinator.listen": "127.0.0.1:50051"}
ANSWER_S: Final = 5.0
SKEW_WARNING_S: Final = 5.0
SLOW_S: Final = 1.0


def check_configs(files: list[Path]) -> tuple[list[Finding], dict[str, str], list[Path]]:
    """Findings of these files, and the addresses and folders that the good ones name."""
    found: list[Finding] = []
    addresses: dict[str, str] = {}
    folders: list[Path] = []
    for path in files:
        kind = config_keys.guess(path)
        if not config_keys.installed(kind):
            hint = f'pip install "pilewise[{kind}]"'
            found.append(note("config", f"{path} cannot be checked without the {kind}", hint))
            continue
        _, told, _ = config_keys.ask(kind, "read", str(path))
        if not told["ok"]:
            codes = ", ".join(sorted({one["code"] for one in told["problems"]}))
            count = len(told["problems"])
            text = f"{path}: {count} mistake{'' if count == 1 else 's'} ({codes})"
            found.append(error("config", text, f"pilewise config check {path}"))
            continue
        found.append(ok("config", f"{path}: {kind}, no mistakes"))
        addresses |= _addresses(told["tables"])
        if folder := told["tables"].get(kind, {}).get("data_dir"):
            base = path.parent if kind == "agent" else Path()
            folders.append(base / folder)
    return found, addresses, folders


def _addresses(tables: dict[str, Any]) -> dict[str, str]:
    """What a file listens at: key to address, port 0 left out."""
    listened = {
        f"{table}.{key}": str(section[key]).rpartition("//")[2]
        for table, section in tables.items()
        if isinstance(section, dict)
        for key in ("listen", "listen_tls", "metrics", "bench")
        if section.get(key)
    }
    return {key: one for key, one in listened.items() if not one.endswith(":0")}


def check_ports(addresses: dict[str, str]) -> Iterator[Finding]:
    """Whether the ports are free."""
    for key, address in (addresses or USUAL).items():
        host, _, port = address.rpartition(":")
        why = _why_taken(host.strip("[]"), port)
        if not why:
            yield ok("ports", f"{key} {address} is free")
        else:
            hint = f"fine if that is the room itself; else see who: ss -ltnp 'sport = :{port}'"
            yield warning("ports", f"{key} {address} cannot be listened on: {why}", hint)


def _why_taken(host: str, port: str) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except (OSError, ValueError) as fault:
            return getattr(fault, "strerror", None) or str(fault)
    return ""


def check_models() -> Iterator[Finding]:
    """Whether the shipped models are as they were made, and run here."""
    if not config_keys.installed("coordinator"):
        return
    from coordinator.errors import CoordinatorError
    from coordinator.models.pins import BUNDLED_SHA256
    from coordinator.models.serving import BUNDLED
    from coordinator.models.signature import Trust
    from coordinator.models.trial import load_tried

    try:
        bundle = load_tried(BUNDLED, Trust((), True), BUNDLED_SHA256)
    except CoordinatorError as fault:
        hint = "install pilewise anew; until then rules answer for the models"
        yield error("models", f"the shipped bundle is refused: {fault}", hint)
        return
    parts = ", ".join(part.name for part in bundle.parts)
    yield ok("models", f"{bundle.name} {bundle.version}, sha256 {BUNDLED_SHA256[:12]}: {parts}")


def check_coordinator(target: str) -> Iterator[Finding]:
    """Whether a coordinator answers there, how fast, and how far its clock is away."""
    import grpc

    try:
        took_s, skew_s = asyncio.run(_asked(target))
    except grpc.aio.AioRpcError as fault:
        hint = "start it (pilewise coordinator run), or mend --target"
        yield error("coordinator", f"{target}: {fault.code().name}: {fault.details()}", hint)
        return
    text = f"{target} answers in {1000 * took_s:.0f} ms"
    if took_s > SLOW_S:
        yield warning("coordinator", text, "look into its log: it is overloaded, or its disk slow")
    else:
        yield ok("coordinator", text)
    if abs(skew_s) > SKEW_WARNING_S:
        side = "ahead of" if skew_s > 0 else "behind"
        hint = "timedatectl set-ntp true on both; a demo's time runs faster on purpose"
        yield warning("clock", f"its clock is {abs(skew_s):.1f} s {side} this host's", hint)
    else:
        yield ok("clock", f"its clock is {abs(skew_s):.1f} s from this host's")


async def _asked(target: str) -> tuple[float, float]:
    """Seconds of the answer, and seconds that its clock is ahead."""
    import grpc

    from pilewise.v1 import operator_service_pb2 as op
    from pilewise.v1 import operator_service_pb2_grpc as op_rpc

    async with grpc.aio.insecure_channel(target) as channel:
        stub = op_rpc.OperatorServiceStub(channel)
        began = time.time()
        answer = await stub.ListPiles(op.OperatorServiceListPilesRequest(), timeout=ANSWER_S)
        ended = time.time()
    told_s = answer.as_of.ToNanoseconds() / 1e9
    return ended - began, told_s - (began + ended) / 2
