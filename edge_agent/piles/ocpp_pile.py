"""What the OCPP versions have in common: a pile through all its connections.

Statuses and transactions belong to `ocpp16.py` and `ocpp201.py`, what is asked of a station to
`ocpp_wishes.py`, one connection's frames to `ocpp_link.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn

import structlog

from edge_agent.core.authorization import may_charge
from edge_agent.core.directive import Action, Answer, Outcome
from edge_agent.core.ocpp_clock import Stamp, StationClock
from edge_agent.core.ocpp_floor import TriggerFloor
from edge_agent.core.ocpp_meter import sampled
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
from edge_agent.core.status import UNKNOWN_STATE, PileState
from edge_agent.piles.ocpp_asks import StationAsks
from edge_agent.piles.ocpp_link import OcppLink
from edge_agent.piles.ocpp_wishes import Wishes
from edge_agent.piles.port import OcppSink, StationConnection, Transactions

log: Final = structlog.get_logger("edge_agent.ocpp")
# Samples older than this are history (a station that was offline), not the present state.
LIVE_SAMPLE_MS: Final = 60_000
# A charge point that may be back in a moment is waited for so long.
RETURN_S: Final = 10.0
_NAMES: Final = ("power_kw", "energy_kwh", "current_a", "voltage_v", "soc_pct", "temperature_c")

VendorHook = Callable[[Mapping[str, Any]], str]
"""Takes a DataTransfer (snake case keys); gives back its DataTransferStatus."""


@dataclass(frozen=True, slots=True)
class OcppSettings:
    """How the agent treats OCPP piles; seconds are real.

    `configures` is False where an operator's own system sets up the pile: then nothing is written.
    """

    heartbeat_s: float
    offline_grace_s: float
    wishes: Mapping[str, float]
    authorize: str = "accept"
    id_tags: frozenset[str] = frozenset()
    settle_s: float = 1.0
    shown_s: float = 3.0
    configures: bool = True


@dataclass(slots=True)
class Word:
    """What one EVSE was told to be; `believed` once it was told on this connection."""

    state: PileState = UNKNOWN_STATE
    faults: tuple[Fault, ...] = ()
    values: Values = NO_VALUES
    believed: bool = False
    reading: Reading | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class OcppPile:
    """One charge point and its EVSEs (number n is `evse_ids[n - 1]`)."""

    version = ""

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
        self.vendor_hooks: dict[str, VendorHook] = {}
        self.counts: Counter[str] = Counter()
        self.clock = StationClock()
        self.floor = TriggerFloor(settings.wishes.get("trigger_floor_s", 0.0))
        self.words = {n: Word() for n in range(1, len(evse_ids) + 1)}
        self.station: PileState | None = None
        self.asks: StationAsks | None = None
        self.wishes = Wishes(self)
        self._sink = sink
        self._transactions = transactions
        self._new_id = new_id
        self._link: OcppLink | None = None
        self._grace: asyncio.TimerHandle | None = None  # while it may be a blip
        self._reached = asyncio.Event()
        self._began_s = time.monotonic()

    def connect(self, connection: StationConnection) -> tuple[OcppLink, StationAsks]:
        """The link of a fresh connection, and what can be asked over it."""
        raise NotImplementedError

    async def run(self) -> NoReturn:
        """Nothing to poll: a charge point speaks by itself. Says so until it first does."""
        for evse_id in self.evse_ids:
            self._sink.miss(evse_id, "NEVER_CONNECTED")
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def perform(self, evse_id: str, action: Action) -> Answer:
        """Asks the charge point; `TIMED_OUT` where it is not connected.

        One that may be back in a moment is waited for: after a start of the agent, or a blip.
        """
        if self.asks is None and (self._grace is not None or self._is_new):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reached.wait(), RETURN_S)
        if self.asks is None:
            return Answer(Outcome.TIMED_OUT, f"{self.pile_id} is not connected")
        return await self.wishes.perform(self.asks, self.evse_ids.index(evse_id) + 1, action)

    @property
    def _is_new(self) -> bool:
        """Whether the agent has just begun to listen, so that charge points are still coming."""
        return time.monotonic() - self._began_s < RETURN_S

    async def serve(self, connection: StationConnection) -> None:
        """Talks over one connection until it ends; the pile is lost some time after."""
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        link, asks = self.connect(connection)
        self._link, self.asks = link, asks
        self._reached.set()
        log.info(
            "charge point connected",
            pile_id=self.pile_id,
            version=self.version,
            peer=connection.remote_address,
        )
        name = f"edge_agent:greet-{self.pile_id}"
        greet = asyncio.create_task(self.wishes.greet(asks), name=name)
        try:
            await link.run()
        finally:
            greet.cancel()
            await asyncio.wait([greet])
            log.info("charge point gone", pile_id=self.pile_id, frames=link.frames)
            if self._link is link:
                self._link = self.asks = None
                self._reached.clear()
                grace_s = self.settings.offline_grace_s
                self._grace = asyncio.get_running_loop().call_later(grace_s, self._lose)

    def heard(self) -> None:
        """Any frame keeps the states fresh that were told."""
        for word in self.words.values():
            if word.believed and word.reading is not None:
                self._sink.observe(word.reading)

    def believe_again(self) -> None:
        """Takes the states from before a reconnect, where the station will not repeat them."""
        for word in self.words.values():
            if word.state is not UNKNOWN_STATE:
                word.believed = True
        self.heard()

    def learn(self, told: Mapping[str, str], source: str) -> None:
        """Takes what the charge point says of itself."""
        self._sink.learn(self.pile_id, told, source)

    def authorized(self, id_token: str) -> bool:
        """Whether a driver's token may charge, by the configured policy."""
        return may_charge(self.settings.authorize, id_token, self.settings.id_tags)

    def data_transfer(self, message: Mapping[str, Any]) -> str:
        """The DataTransferStatus for a vendor's message; every one is counted."""
        vendor = str(message.get("vendor_id", ""))
        self.counts[f"DataTransfer {vendor[:64]}"] += 1
        hook = self.vendor_hooks.get(vendor)
        return "UnknownVendorId" if hook is None else hook(message)

    def tell(self, number: int, stamp: Stamp) -> None:
        """Passes on what an EVSE is now, after its word changed."""
        word = self.words[number]
        word.believed = True
        flags = RecordFlags.NONE if stamp.sane else RecordFlags.CLOCK_UNSYNCED
        self._sink.observe(self.reading(number), stamp.at_ms, flags)
        word.changed.set()

    def reading(self, number: int) -> Reading:
        """The reading that an EVSE's word makes."""
        word = self.words[number]
        state = self.station or word.state
        values, suspect = plausible(word.values)
        word.reading = Reading(
            evse_id=self.evse_ids[number - 1],
            status=state.status,
            source=StatusSource.OCPP,
            ocpp=state.ocpp,
            values=values,
            faults=word.faults,
            plugged=state.plugged,
            suspect=suspect,
        )
        return word.reading

    def meter_records(self, number: int, samples: Iterable[Mapping[str, Any]]) -> list[Record]:
        """What of meterValue entries is worth telling: live ones move the reading, old are kept."""
        word = self.words.get(number)
        records: list[Record] = []
        if word is None:
            return records
        for sample in samples:
            now_ms = self.now_ms()
            stamp = self.clock.told(sample.get("timestamp"), now_ms)
            values = sampled(sample.get("sampled_value", ()))
            if now_ms - stamp.at_ms > LIVE_SAMPLE_MS:
                kept, _ = plausible(values)
                records.append(self.note(number, RecordKind.METER, stamp, Detail(), kept))
                continue
            fresh = {k: getattr(values, k) for k in _NAMES if getattr(values, k) is not None}
            word.values = replace(word.values, **fresh)
            if word.believed:
                told = self._sink.judge(self.reading(number), stamp.at_ms)
                records += told if stamp.sane else [_doubted(record) for record in told]
        return records

    async def keep(self, records: Sequence[Record]) -> None:
        """Returns when the records are durable."""
        await self._transactions.keep(records)

    async def event(self, text: str, reason: str, number: int = 1) -> None:
        """Keeps something worth knowing that changes no status."""
        log.info("charge point event", pile_id=self.pile_id, reason=reason, text=text)
        detail = Detail(reason=reason, text=text)
        await self.keep([self.note(number, RecordKind.EVENT, Stamp(self.now_ms()), detail)])

    def note(
        self,
        number: int,
        kind: RecordKind,
        stamp: Stamp,
        detail: Detail,
        values: Values = NO_VALUES,
    ) -> Record:
        """A record of something that happened at an EVSE (an unknown one: the first)."""
        evse_id = self.evse_ids[number - 1 if number in self.words else 0]
        record = self._sink.note(evse_id, kind, stamp.at_ms, detail, values)
        return record if stamp.sane else _doubted(record)

    def _lose(self) -> None:
        self._grace = None
        for word in self.words.values():
            word.believed = False
        if self._link is None:
            log.warning("charge point is offline", pile_id=self.pile_id)
            for evse_id in self.evse_ids:
                self._sink.lose(evse_id, "OFFLINE")


def token_hash(id_token: str) -> str:
    """SHA-256 of a driver's token in hexadecimal; the token itself is never stored or sent."""
    return hashlib.sha256(id_token.encode()).hexdigest()


def _doubted(record: Record) -> Record:
    return replace(record, flags=record.flags | RecordFlags.CLOCK_UNSYNCED)
