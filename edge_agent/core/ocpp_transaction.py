"""One message of an OCPP 2.0.1 transaction, and what is known when it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Known:
    """Where it runs and which session it is; `repeated` marks a message that was taken before."""

    evse_id: str
    session_id: str
    repeated: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True)
class TransactionEvent:
    """One TransactionEvent; `evse` is 0 where the station left it out."""

    kind: str
    timestamp: str
    seq_no: int
    transaction_id: str
    charging_state: str = ""
    stopped_reason: str = ""
    offline: bool = False
    evse: int = 0
    id_token: str | None = None
    reservation: int | None = None
    samples: Sequence[Mapping[str, Any]] = ()
