"""A pile that speaks OCPP 1.6J: its messages become readings, transactions and faults.

Who may connect belongs to `ocpp_server.py`, one connection's frames to `ocpp16_link.py`, what all
OCPP piles have in common to `ocpp_pile.py`.
"""

from __future__ import annotations

from typing import Final

import structlog

from edge_agent.core import faults
from edge_agent.core.ocpp_clock import Stamp
from edge_agent.core.reading import Detail, Fault, Record, RecordKind, Values
from edge_agent.core.status import OCPP16_TABLE, UNKNOWN_STATE, PileState
from edge_agent.piles.ocpp16_asks import Asks16
from edge_agent.piles.ocpp16_link import Link16
from edge_agent.piles.ocpp_pile import OcppPile, OcppSettings, token_hash
from edge_agent.piles.port import StationConnection

__all__ = ["Ocpp16Pile", "OcppSettings", "token_hash"]

log: Final = structlog.get_logger("edge_agent.ocpp")


class Ocpp16Pile(OcppPile):
    """One charge point and its EVSEs (connector n is EVSE n), through all its connections."""

    version = "1.6"

    def connect(self, connection: StationConnection) -> tuple[Link16, Asks16]:
        """The link of a fresh connection, and what can be asked over it."""
        link = Link16(self, connection)
        return link, Asks16(link)

    def status(
        self,
        connector_id: int,
        word: str,
        error_code: str,
        vendor_error_code: str | None = None,
        info: str | None = None,
        vendor: str | None = None,
        timestamp: str | None = None,
    ) -> None:
        """Takes a StatusNotification; connector 0 speaks for the whole station."""
        found = faults.from_ocpp16(error_code, vendor_error_code, info, vendor)
        state = OCPP16_TABLE.get(word, UNKNOWN_STATE)
        if word == "Faulted" and not found:
            # Seen in the field: Faulted with NoError. It is broken all the same.
            found = (Fault("OtherError", error_code, "Faulted without an error code"),)
        now_ms = self.now_ms()
        self.clock = self.clock.heard(timestamp, now_ms)
        stamp = self.clock.present(timestamp, now_ms)
        if connector_id == 0:
            self._whole(state if word in ("Unavailable", "Faulted") else None, found, stamp)
            return
        told = self.words.get(connector_id)
        if told is None:
            self.counts["StatusNotification of an unknown connector"] += 1
            log.warning("unknown connector", pile_id=self.pile_id, connector_id=connector_id)
            return
        told.state, told.faults = state, found
        if state.plugged is False:
            told.values = Values(energy_kwh=told.values.energy_kwh)
        self.tell(connector_id, stamp)

    async def start_transaction(
        self,
        connector_id: int,
        id_tag: str,
        meter_start: int,
        timestamp: str,
        reservation_id: int | None = None,
    ) -> int:
        """The transaction id, after the commit; a repeated message gets the same one."""
        stamp = self.clock.told(timestamp, self.now_ms())
        detail = Detail(session_id=self._new_id(), id_token_hash=token_hash(id_tag))
        values = Values(energy_kwh=meter_start / 1000.0)
        record = self.note(connector_id, RecordKind.SESSION_START, stamp, detail, values)
        key = f"{connector_id}|{timestamp}|{id_tag}|{meter_start}"
        number = await self._transactions.begin(self.pile_id, key, record)
        self.wishes.started(connector_id, reservation_id)
        return number

    async def stop_transaction(
        self,
        transaction_id: int,
        meter_stop: int,
        timestamp: str,
        reason: str | None,
        id_tag: str | None,
    ) -> None:
        """Returns after the commit; an end that was written before is not written again."""
        stamp = self.clock.told(timestamp, self.now_ms())

        def record_of(evse_id: str, session_id: str) -> Record:
            known = session_id or f"ocpp-{self.pile_id}-{transaction_id}"
            detail = Detail(
                session_id=known,
                id_token_hash=token_hash(id_tag) if id_tag else "",
                reason=reason or "Local",
            )
            number = self.evse_ids.index(evse_id) + 1 if evse_id in self.evse_ids else 1
            values = Values(energy_kwh=meter_stop / 1000.0)
            return self.note(number, RecordKind.SESSION_END, stamp, detail, values)

        await self._transactions.end(self.pile_id, transaction_id, record_of)

    def _whole(self, state: PileState | None, found: tuple[Fault, ...], stamp: Stamp) -> None:
        self.station = state
        for number, word in self.words.items():
            if word.state is not UNKNOWN_STATE or state is not None:
                word.faults = found
                self.tell(number, stamp)
