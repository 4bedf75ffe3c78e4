"""Turns a frame into what really leaves a charge point while frame faults are present.

How it is put on the wire is in `ocpp_wire.py`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from firmware_sim.core.ocpp_faults import OcppFault

CALL: Final = 2
_CALL_ERROR: Final = 4
_UNKNOWN_TYPE: Final = 7
_OVERSIZED_BYTES: Final = 2_000_000
Manner = Literal["whole", "binary", "fragments", "half", "drop", "slow", "swallow"]
_MANNERS: Final[dict[str, Manner]] = {
    "binary": "binary",
    "fragmented": "fragments",
    "half_frame": "half",
    "drop": "drop",
    "slow": "slow",
    "half_open": "swallow",
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A text and how it goes out; `wait_s` before it, `over_s` for one that trickles."""

    text: str
    manner: Manner = "whole"
    wait_s: float = 0.0
    over_s: float = 0.0


def spoiled_frame(frame: str, faults: Sequence[OcppFault], id_before: str) -> Outgoing:
    """What becomes of a frame that meets these faults of frames."""
    text, over_s = frame, 0.0
    manner: Manner = "whole"
    for fault in faults:
        if fault.kind in _MANNERS:
            manner, over_s = _MANNERS[fault.kind], fault.number
        else:
            text = _spoiled_text(text, fault, id_before)
    return Outgoing(text, manner, over_s=over_s)


def spoiled_answer(frame: str, faults: Sequence[OcppFault]) -> list[Outgoing]:
    """What becomes of an answer that meets these faults of answers; nothing, one or several."""
    message = json.loads(frame)
    wait_s, copies = 0.0, 1
    for fault in faults:
        match fault.kind:
            case "no_answer":
                copies = 0
            case "answers_twice":
                copies *= 2
            case "late_answer":
                wait_s = fault.number
            case "wrong_id":
                message[1] = str(uuid.uuid4())
            case "error":
                message = [_CALL_ERROR, message[1], fault.value, "by order of the bench", {}]
    return [Outgoing(_text(message), wait_s=wait_s)] * copies


def stray_answer() -> str:
    """An answer to a call that was never made."""
    return _text([3, str(uuid.uuid4()), {"currentTime": "2026-01-01T00:00:00Z"}])


def _spoiled_text(text: str, fault: OcppFault, id_before: str) -> str:
    if fault.kind == "not_json":
        return "<html>" + text
    if fault.kind == "truncated":
        return text[: len(text) // 2]
    message: list[Any] = json.loads(text)
    match fault.kind:
        case "wrong_arity":
            message.pop()
        case "unknown_type":
            message[0] = _UNKNOWN_TYPE
        case "duplicate_id":
            message[1] = id_before or message[1]
        case "unknown_action":
            message[2] = "BrewCoffee"
        case "oversized":
            message[-1]["padding"] = "x" * int(fault.number or _OVERSIZED_BYTES)
    return _text(message)


def _text(message: list[Any]) -> str:
    return json.dumps(message, separators=(",", ":"))
