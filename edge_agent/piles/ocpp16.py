"""A pile that speaks OCPP 1.6J: its messages become readings, transactions and faults.

Who may connect belongs to `ocpp_server.py`, one connection's frames to `ocpp16_link.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

import structlog

from edge_agent.core import faults
from edge_agent.core.directive import Action, Answer, Outcome
from edge_agent.core.ocpp_meter import instant_ms, sampled
from edge_agent.core.plausibility import plausible
from edge_agent.core.reading import (
    NO_VALUES,
    Detail,
    Fault,
    Reading,
    Record,
    RecordFlags,
    RecordKind,
    StatusSource,
    Values,
)
from edge_agent.core.status import OCPP16_TABLE, UNKNOWN_STATE, PileState
from edge_agent.piles.ocpp16_link import Link16
from edge_agent.piles.port import OcppSink, StationConnection, Transactions

log: Final = structlog.get_logger("edge_agent.ocpp")
# Samples older than this are history (a station that was offline), not the present state.
LIVE_SAMPLE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class OcppSettings:
    """How the agent treats OCPP piles; seconds are real."""

    heartbeat_s: float
    offline_grace_s: float
    wishes: Mapping[str, float]
    authorize: str = "accept"
    id_tags: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Connector:
    state: PileState = UNKNOWN_STATE
    faults: tuple[Fault, ...] = ()
    values: Values = NO_VALUES
    believed: bool = False
    reading: Reading | None = None


class Ocpp16Pile:
    """One charge point and its EVSEs (connector n is EVSE n), through all its connections."""

    def __init__(
        self,
        pile_id: str,
        evse_ids: Sequence[str],
        settings: OcppSettings,
        sink: OcppSink,
        transactions: Transactions,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self.pile_id = pile_id
        self.evse_ids = tuple(evse_ids)
        self.settings = settings
        self.now_ms = now_ms
        self._sink = sink
        self._transactions = transactions
        self._new_id = new_id
        self._connectors = {n: _Connector() for n in range(1, len(evse_ids) + 1)}
        self._station: PileState | None = None
        self._link: Link16 | None = None
        self._grace: asyncio.TimerHandle | None = None

    async def run(self) -> NoReturn:
        """Nothing to poll: a charge point speaks by itself. Says so until it first does."""
        for evse_id in self.evse_ids:
            self._sink.miss(evse_id, "NEVER_CONNECTED")
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def perform(self, evse_id: str, action: Action) -> Answer:
        """Asks the charge point; `TIMED_OUT` where it is not connected."""
        if self._link is None:
            return Answer(Outcome.TIMED_OUT, f"{self.pile_id} is not connected")
        return await self._link.perform(self.evse_ids.index(evse_id) + 1, action)

    async def serve(self, connection: StationConnection) -> None:
        """Talks over one connection until it ends; the pile is lost some time after."""
        if self._grace is not None:
            self._grace.cancel()
        link = Link16(self, connection)
        self._link = link
        log.info("charge point connected", pile_id=self.pile_id, peer=connection.remote_address)
        try:
            await link.run()
        finally:
            log.info("charge point gone", pile_id=self.pile_id, frames=link.frames)
            if self._link is link:
                self._link = None
                grace_s = self.settings.offline_grace_s
                self._grace = asyncio.get_running_loop().call_later(grace_s, self._lose)

    def heard(self) -> None:
        """Any frame keeps the states fresh that were told."""
        for connector in self._connectors.values():
            if connector.believed and connector.reading is not None:
                self._sink.observe(connector.reading)

    def believe_again(self) -> None:
        """Takes the states from before a reconnect, where the station will not repeat them."""
        for connector in self._connectors.values():
            if connector.state is not UNKNOWN_STATE:
                connector.believed = True
        self.heard()

    def learn(self, told: Mapping[str, str], source: str) -> None:
        """Takes what the charge point says of itself."""
        self._sink.learn(self.pile_id, told, source)

    def authorized(self, id_tag: str) -> bool:
        """Whether a driver's token may charge, by the configured policy."""
        if self.settings.authorize == "list":
            return id_tag in self.settings.id_tags
        return self.settings.authorize == "accept"

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
        at_ms, _ = instant_ms(timestamp, now_ms)
        # A state is told because it holds now: an old stamp means a clock that is behind.
        at_ms = at_ms if now_ms - LIVE_SAMPLE_MS <= at_ms <= now_ms else now_ms
        if connector_id == 0:
            self._station = state if word in ("Unavailable", "Faulted") else None
            for n, connector in self._connectors.items():
                if connector.state is not UNKNOWN_STATE or self._station is not None:
                    connector.believed = True
                    connector.faults = found
                    self._sink.observe(self._reading(n), at_ms)
            return
        told = self._connectors.get(connector_id)
        if told is None:
            log.warning("unknown connector", pile_id=self.pile_id, connector_id=connector_id)
            return
        told.state, told.faults, told.believed = state, found, True
        if state.plugged is False:
            told.values = Values(energy_kwh=told.values.energy_kwh)
        self._sink.observe(self._reading(connector_id), at_ms)

    async def start_transaction(
        self,
        connector_id: int,
        id_tag: str,
        meter_start: int,
        timestamp: str,
    ) -> int:
        """The transaction id, after the commit; a repeated message gets the same one."""
        at_ms, sane = instant_ms(timestamp, self.now_ms())
        detail = Detail(session_id=self._new_id(), id_token_hash=token_hash(id_tag))
        values = Values(energy_kwh=meter_start / 1000.0)
        record = self._note(connector_id, RecordKind.SESSION_START, at_ms, detail, values, sane)
        key = f"{connector_id}|{timestamp}|{id_tag}|{meter_start}"
        return await self._transactions.begin(self.pile_id, key, record)

    async def stop_transaction(
        self,
        transaction_id: int,
        meter_stop: int,
        timestamp: str,
        reason: str | None,
        id_tag: str | None,
    ) -> None:
        """Returns after the commit; an end that was written before is not written again."""
        at_ms, sane = instant_ms(timestamp, self.now_ms())

        def record_of(evse_id: str, session_id: str) -> Record:
            known = session_id or f"ocpp-{self.pile_id}-{transaction_id}"
            detail = Detail(
                session_id=known,
                id_token_hash=token_hash(id_tag) if id_tag else "",
                reason=reason or "Local",
            )
            number = self.evse_ids.index(evse_id) + 1 if evse_id in self.evse_ids else 1
            values = Values(energy_kwh=meter_stop / 1000.0)
            return self._note(number, RecordKind.SESSION_END, at_ms, detail, values, sane)

        await self._transactions.end(self.pile_id, transaction_id, record_of)

    async def meter_values(self, connector_id: int, samples: Sequence[Mapping[str, Any]]) -> None:
        """Takes MeterValues; what of them is worth telling is durable on return."""
        connector = self._connectors.get(connector_id)
        if connector is None:
            return
        records: list[Record] = []
        for sample in samples:
            now_ms = self.now_ms()
            at_ms, sane = instant_ms(sample.get("timestamp"), now_ms)
            values = sampled(sample.get("sampled_value", ()))
            if now_ms - at_ms > LIVE_SAMPLE_MS:
                kept, _ = plausible(values)
                records.append(
                    self._note(connector_id, RecordKind.METER, at_ms, Detail(), kept, sane)
                )
                continue
            connector.values = _merged(connector.values, values)
            if connector.believed:
                records += self._sink.judge(self._reading(connector_id), at_ms)
        await self._transactions.keep(records)

    async def event(self, text: str, detail: Detail) -> None:
        """Keeps something worth knowing that changes no status."""
        log.info("charge point event", pile_id=self.pile_id, text=text)
        record = self._note(1, RecordKind.EVENT, self.now_ms(), detail, NO_VALUES, True)
        await self._transactions.keep([record])

    def _reading(self, connector_id: int) -> Reading:
        connector = self._connectors[connector_id]
        state = self._station or connector.state
        values, suspect = plausible(connector.values)
        connector.reading = Reading(
            evse_id=self.evse_ids[connector_id - 1],
            status=state.status,
            source=StatusSource.OCPP,
            ocpp=state.ocpp,
            values=values,
            faults=connector.faults,
            plugged=state.plugged,
            suspect=suspect,
        )
        return connector.reading

    def _note(
        self,
        connector_id: int,
        kind: RecordKind,
        at_ms: int,
        detail: Detail,
        values: Values,
        sane: bool,
    ) -> Record:
        number = connector_id if connector_id in self._connectors else 1
        record = self._sink.note(self.evse_ids[number - 1], kind, at_ms, detail, values)
        return record if sane else replace(record, flags=record.flags | RecordFlags.CLOCK_UNSYNCED)

    def _lose(self) -> None:
        for connector in self._connectors.values():
            connector.believed = False
        if self._link is None:
            log.warning("charge point is offline", pile_id=self.pile_id)
            for evse_id in self.evse_ids:
                self._sink.lose(evse_id, "OFFLINE")


def token_hash(id_tag: str) -> str:
    """SHA-256 of a driver's token in hexadecimal; the token itself is never stored or sent."""
    return hashlib.sha256(id_tag.encode()).hexdigest()


def _merged(before: Values, fresh: Values) -> Values:
    names = ("power_kw", "energy_kwh", "current_a", "voltage_v", "soc_pct", "temperature_c")
    found = {name: getattr(fresh, name) for name in names if getattr(fresh, name) is not None}
    return replace(before, **found)
