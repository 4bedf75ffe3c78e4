"""What a relay between pile and operator's system has to know of OCPP 1.6 and 2.0.1 payloads.

Messages about transactions and news that are told once must arrive, in order and once; transaction
ids of 1.6 are given by whoever answers, so that ours and the operator's differ. Sockets and the
queue belong to `piles/relay*.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Final

from edge_agent.core.ocpp_frame import CALL, CALL_RESULT

BOOT: Final = "BootNotification"
STATUS: Final = "StatusNotification"
START: Final = "StartTransaction"
STOP: Final = "StopTransaction"
_METER: Final = "MeterValues"
_EVENT: Final = "TransactionEvent"
_SAMPLED: Final = frozenset({"MeterValuePeriodic", "MeterValueClock"})
# What a pile says once and never again; OCPP asks for security events to be kept while offline.
_NOTICES: Final = frozenset(
    {
        "SecurityEventNotification",
        "NotifyEvent",
        "ReservationStatusUpdate",
        "FirmwareStatusNotification",
    }
)

Payload = dict[str, Any]


class Kind(IntEnum):
    """What a message that must arrive is about; decides what is given up where the room ends.

    TRANSACTION begins, ends or changes one and is never given up. SAMPLEs within transactions are
    thinned. NOTICEs have a small room of their own, the oldest goes first.
    """

    TRANSACTION = 0
    SAMPLE = 1
    NOTICE = 2


def kind_of(action: str, payload: Mapping[str, Any]) -> Kind | None:
    """What must reach the operator even if that takes days; None for what need not.

    >>> kind_of("MeterValues", {"transactionId": 7}), kind_of("MeterValues", {})
    (<Kind.SAMPLE: 1>, None)
    >>> kind_of("TransactionEvent", {"eventType": "Updated", "triggerReason": "MeterValuePeriodic"})
    <Kind.SAMPLE: 1>
    >>> kind_of("TransactionEvent", {"eventType": "Ended", "triggerReason": "MeterValuePeriodic"})
    <Kind.TRANSACTION: 0>
    """
    if action in _NOTICES:
        return Kind.NOTICE
    if action == _METER:
        return Kind.SAMPLE if "transactionId" in payload else None
    if action == _EVENT:
        sampled = payload.get("triggerReason") in _SAMPLED and payload.get("eventType") == "Updated"
        return Kind.SAMPLE if sampled else Kind.TRANSACTION
    return Kind.TRANSACTION if action in (START, STOP) else None


def boot_again(payload: Payload) -> Payload:
    """A BootNotification that is repeated for an operator who heard it before.

    OCPP 2.0.1 gives a reason, and the pile did not boot: "PowerUp" would end its transactions.

    >>> boot_again({"reason": "PowerUp", "chargingStation": {}})
    {'reason': 'Unknown', 'chargingStation': {}}
    >>> boot_again({"chargePointVendor": "Acme"})
    {'chargePointVendor': 'Acme'}
    """
    return {**payload, "reason": "Unknown"} if "reason" in payload else payload


def message_key(action: str, payload: Mapping[str, Any]) -> str:
    """The same for a message that a pile sends again because it missed the answer.

    `offline` of TransactionEvent may differ between the two.

    >>> a = message_key("TransactionEvent", {"seqNo": 1, "offline": False})
    >>> a == message_key("TransactionEvent", {"seqNo": 1, "offline": True})
    True
    """
    said = {name: value for name, value in payload.items() if name != "offline"}
    text = json.dumps([action, said], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def status_key(payload: Mapping[str, Any]) -> tuple[int, int]:
    """EVSE and connector that a StatusNotification speaks for."""
    return int(payload.get("evseId", 0)), int(payload.get("connectorId", 0))


def with_transaction(payload: Payload, number_of: Callable[[int], int]) -> Payload:
    """The payload with each 1.6 transaction id replaced; ids of 2.0.1 are texts and stay.

    >>> with_transaction({"transactionId": 3, "meterStop": 3}, lambda n: n + 100)
    {'transactionId': 103, 'meterStop': 3}
    """
    changed = dict(payload)
    if isinstance(payload.get("transactionId"), int):
        changed["transactionId"] = number_of(payload["transactionId"])
    for name in ("csChargingProfiles", "chargingProfile"):
        profile = payload.get(name)
        if isinstance(profile, dict) and isinstance(profile.get("transactionId"), int):
            changed[name] = {**profile, "transactionId": number_of(profile["transactionId"])}
    return changed


def transaction_numbers(payload: Mapping[str, Any]) -> set[int]:
    """The 1.6 transaction ids in a payload.

    >>> transaction_numbers({"transactionId": 3}), transaction_numbers({"transactionId": "uuid"})
    ({3}, set())
    """
    found: list[int] = []

    def note(number: int) -> int:
        found.append(number)
        return number

    with_transaction(dict(payload), note)
    return set(found)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the operator said of a token; `until_ms` is None where it said no end."""

    token: str
    accepted: bool
    until_ms: int | None


def token_in(payload: Mapping[str, Any]) -> str:
    """The driver's token in a request, or ""."""
    token = payload.get("idTag") or payload.get("idToken") or ""
    return str(token.get("idToken", "")) if isinstance(token, dict) else str(token)


def verdict_in(asked: Mapping[str, Any], answer: Mapping[str, Any]) -> Verdict | None:
    """What an answer says of the token in its request; None where it says nothing.

    >>> verdict_in({"idTag": "A"}, {"idTagInfo": {"status": "Accepted"}})
    Verdict(token='A', accepted=True, until_ms=None)
    """
    info = answer.get("idTagInfo") or answer.get("idTokenInfo")
    token = token_in(asked)
    if not token or not isinstance(info, dict):
        return None
    ends = info.get("expiryDate") or info.get("cacheExpiryDateTime")
    try:
        until_ms = round(datetime.fromisoformat(ends).timestamp() * 1000) if ends else None
    except (TypeError, ValueError):
        until_ms = None
    return Verdict(token, info.get("status") == "Accepted", until_ms)


def with_verdict(asked: Mapping[str, Any], answer: Payload, accepted: bool) -> Payload:
    """Our own answer with the token judged by the policy for times without the operator."""
    if not token_in(asked):
        return answer
    for name in ("idTagInfo", "idTokenInfo"):
        info = answer.get(name)
        if isinstance(info, dict):
            status = "Accepted" if accepted else "Invalid"
            return {**answer, name: {**info, "status": status}}
    return answer


def call_text(unique_id: str, action: str, payload: Mapping[str, Any]) -> str:
    """A CALL as text."""
    return json.dumps([CALL, unique_id, action, payload], separators=(",", ":"))


def result_text(unique_id: str, payload: Mapping[str, Any]) -> str:
    """A CALLRESULT as text."""
    return json.dumps([CALL_RESULT, unique_id, payload], separators=(",", ":"))


def renamed(frame: list[Any], unique_id: str) -> str:
    """A frame under another unique id."""
    return json.dumps([frame[0], unique_id, *frame[2:]], separators=(",", ":"))
