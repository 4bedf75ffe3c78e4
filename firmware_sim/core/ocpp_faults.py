"""What goes wrong between a charge point and its central system, by name.

Two sorts: frames that are spoiled on their way, and bad habits of real charge points. How either
is carried out is the faces' business; broken parts of the pile are in `faults.py`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Final

PREFIX: Final = "ocpp:"

# What happens to a frame that the charge point sends, whatever it says.
FRAMES: Final = {
    "not_json": "sends text that is not JSON",
    "binary": "sends it as a binary message",
    "truncated": "sends its first half, as if that were all",
    "wrong_arity": "leaves the last element of the array away",
    "unknown_type": "sends it with message type 7",
    "oversized": "adds a field of so many bytes (2000000 unless told)",
    "duplicate_id": "sends it under the id of the frame before",
    "fragmented": "sends it in websocket fragments of 16 bytes",
    "half_frame": "drops the socket in the middle of it",
    "drop": "drops the socket instead",
    "slow": "lets it trickle over so many seconds",
    "half_open": "says and hears nothing, not even pongs, on a socket that stays open",
}
# What happens to a call of its own.
CALLS: Final = {
    "unknown_action": "calls an action that no version has",
    "stray_answer": "first answers a call that was never made",
}
# What happens to the answer to a call of the central system.
ANSWERS: Final = {
    "no_answer": "does not answer",
    "late_answer": "answers after so many real seconds",
    "error": "answers with the CALLERROR of that code",
    "wrong_id": "answers under an id that nobody used",
    "answers_twice": "answers twice",
}
# What the charge point always does, as long as it has the habit.
HABITS: Final = {
    "no_subprotocol": "the handshake offers no sub-protocol",
    "subprotocol": "the handshake offers that sub-protocol instead",
    "no_ping": "never pings, so that a dead link is not noticed",
    "no_boot": "never introduces itself, as after the central system was restarted",
    "boots_again": "introduces itself after every lost link",
    "boot_storm": "introduces itself every so many real seconds (1 unless told), accepted or not",
    "no_heartbeat": "sends no heartbeats",
    "duplicate_identity": "comes a second time under its identity, and stays",
    "same_ids": "gives every call the id 1",
    "counted_ids": "counts ids from 1 again on every connection",
    "clock": "a clock that is wrong by so many seconds",
    "clock_drift": "a clock that gains so many parts per million",
    "stamps_1970": "a clock that was never set",
    "stamps_local": "local time (UTC+2) marked Z",
    "stamps_offset": "an offset without minutes",
    "stamps_no_zone": "instants without a zone",
    "stamps_missing": "statuses of 1.6 without timestamp",
    "reserve_unreported": "takes reservations and never shows Reserved",
    "reserve_not_implemented": "answers ReserveNow with CALLERROR NotImplemented",
    "reserve_occupied": "answers Occupied to each ReserveNow, as while somebody presents a card",
    "reserve_rejected": "answers Rejected to each ReserveNow",
    "reserve_faulted": "answers Faulted to each ReserveNow",
    "reserve_unavailable": "answers Unavailable to each ReserveNow",
    "faulted_no_error": "Faulted without saying why",
    "flash_available": "shows Available for a moment at the end of each transaction",
    "only_station_status": "tells the status of the station (connector 0) alone",
    "unknown_measurand": "samples a measurand that no version has",
    "no_unit": "samples without units",
    "comma": "samples with a decimal comma",
    "transaction_id": "names its transactions by that word, whatever they were called",
    "stop_without_start": "loses the start of each transaction and tells its end",
    "no_queue": "keeps nothing while offline",
    "queue_lost": "what waited is lost in a power cut",
    "queue_reversed": "tells the newest first after an outage",
    "power_cut": "has no power; boots when it is over",
}
KNOWN: Final = {**FRAMES, **CALLS, **ANSWERS, **HABITS}

_NEEDS_VALUE: Final = {"slow", "late_answer", "error", "clock", "clock_drift", "transaction_id",
                       "subprotocol"}  # fmt: skip
_MAY_HAVE_VALUE: Final = _NEEDS_VALUE | {"oversized", "boot_storm"}
# Greatest value and whether it may be negative, for kinds whose value is a number.
_NUMBERS: Final = {
    "slow": (3600.0, False),
    "late_answer": (3600.0, False),
    "oversized": (64_000_000.0, False),
    "boot_storm": (3600.0, False),
    "clock": (4e9, True),
    "clock_drift": (1e6, True),
}
# CALLERROR codes of 1.6 and 2.0.1, with both spellings where the standards differ.
ERROR_CODES: Final = frozenset({
    "FormationViolation", "FormatViolation", "GenericError", "InternalError",
    "MessageTypeNotSupported", "NotImplemented", "NotSupported", "OccurenceConstraintViolation",
    "OccurrenceConstraintViolation", "PropertyConstraintViolation", "ProtocolError",
    "RpcFrameworkError", "SecurityError", "TypeConstraintViolation",
})  # fmt: skip
_WORD: Final = re.compile(
    r"(?P<kind>[a-z0-9_]+)(?::(?P<value>[^@*]+))?(?:@(?P<action>[A-Za-z]+))?(?:\*(?P<times>\d{1,6}))?"
)


@dataclass(frozen=True, slots=True)
class OcppFault:
    """One that is present.

    `value` is its text after the colon, `action` narrows it to messages of that action, `times`
    to so many of them; `remaining_s` is domain time, None lasts until cleared.
    """

    kind: str
    value: str = ""
    action: str = ""
    times: int | None = None
    remaining_s: float | None = None

    @property
    def name(self) -> str:
        """The word that injects it, e.g. `ocpp:error:NotImplemented@ReserveNow`."""
        word = f"{PREFIX}{self.kind}"
        word += f":{self.value}" if self.value else ""
        word += f"@{self.action}" if self.action else ""
        return word if self.times is None else f"{word}*{self.times}"

    @property
    def number(self) -> float:
        """The value as a number; 0 where there is none."""
        return float(self.value) if self.value else 0.0

    def concerns(self, kinds: dict[str, str], action: str) -> bool:
        """Whether a message of that action meets it, as one of `kinds`."""
        return self.kind in kinds and self.action in ("", action)

    def after_one(self) -> OcppFault | None:
        """The fault after it met one message."""
        if self.times is None:
            return self
        return replace(self, times=self.times - 1) if self.times > 1 else None

    def later(self, dt_s: float) -> OcppFault | None:
        """The fault `dt_s` seconds of domain time later; None once it is over."""
        if self.remaining_s is None:
            return self
        left_s = self.remaining_s - dt_s
        return replace(self, remaining_s=left_s) if left_s > 1e-9 else None


def parse_ocpp_fault(text: str, remaining_s: float | None = None) -> OcppFault:
    """The fault that `text` names, with or without `ocpp:`; raises ValueError.

    >>> parse_ocpp_fault("ocpp:error:NotImplemented@ReserveNow*2", None).action
    'ReserveNow'
    >>> parse_ocpp_fault("clock:-3600").number
    -3600.0
    """
    word = _WORD.fullmatch(text.removeprefix(PREFIX))
    kind = word["kind"] if word else ""
    if word is None or kind not in KNOWN:
        raise ValueError(f"unknown OCPP fault {text!r}; known are {', '.join(KNOWN)}")
    value = word["value"] or ""
    if value and kind not in _MAY_HAVE_VALUE:
        raise ValueError(f"{kind} takes no value, not {value!r}")
    if not value and kind in _NEEDS_VALUE:
        raise ValueError(f"{kind} wants a value: {kind}:VALUE ({KNOWN[kind]})")
    if kind in HABITS and (word["action"] or word["times"]):
        raise ValueError(f"{kind} is a habit and cannot be narrowed by @ or *")
    if kind == "error" and value not in ERROR_CODES:
        raise ValueError(f"unknown CALLERROR {value!r}; known are {', '.join(sorted(ERROR_CODES))}")
    if value and kind in _NUMBERS:
        _check_number(kind, value)
    times = int(word["times"]) if word["times"] else None
    return OcppFault(kind, value, word["action"] or "", times, remaining_s)


def _check_number(kind: str, value: str) -> None:
    most, signed = _NUMBERS[kind]
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (-most if signed else 0) <= number <= most:
        raise ValueError(f"{kind} wants {-most if signed else 0:g} to {most:g}, not {value!r}")
