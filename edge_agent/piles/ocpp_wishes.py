"""What the agent wants of a charge point: its state after connecting, settings, holds.

The calls themselves belong to `ocpp16_asks.py` and `ocpp201_asks.py`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from edge_agent.core.directive import (
    Action,
    Answer,
    Cancel,
    Outcome,
    PollNow,
    Reserve,
    SetAvailability,
    SetPeriod,
    reservation_number,
)
from edge_agent.core.ocpp_reservation import Reservation
from edge_agent.core.reading import EvseStatus, OcppStatus
from edge_agent.piles.ocpp_asks import StationAsks

if TYPE_CHECKING:
    from edge_agent.piles.ocpp_pile import OcppPile

log: Final = structlog.get_logger("edge_agent.ocpp")
_IN_USE: Final = frozenset({EvseStatus.CHARGING})


class Wishes:
    """Asks on behalf of one pile, over whichever connection it has.

    `kept` are the reservations that the station took, by EVSE number.
    """

    def __init__(self, pile: OcppPile) -> None:
        self._pile = pile
        self.kept: dict[int, Reservation] = {}
        self._told_settings: set[tuple[str, str]] = set()
        # Whether the station shows Reserved after it took a reservation; None before it was seen.
        self._shows: bool | None = None

    async def greet(self, asks: StationAsks) -> None:
        """Asks a fresh connection for its state: after our restart stations do not boot again."""
        try:
            await asyncio.sleep(self._pile.settings.settle_s)
            await self._ask_for_state(asks)
            idle_s = await self._apply_settings(asks)
            await self._ask_for_charging_state(asks)
            while idle_s > 0:
                await asyncio.sleep(idle_s)
                await self._ask_idle_meters(asks)
        except Exception:
            log.exception("greeting a charge point failed", pile_id=self._pile.pile_id)

    async def perform(self, asks: StationAsks, number: int, action: Action) -> Answer:
        """How the charge point answered what the coordinator asked."""
        if isinstance(action, Reserve):
            return await self._reserve(asks, number, action)
        if isinstance(action, Cancel):
            return await self._cancel(asks, action)
        if isinstance(action, SetAvailability):
            answer = await asks.availability(number, action.operative)
            if answer.message == "Scheduled":
                return Answer(Outcome.DONE, "Scheduled: after the running transaction")
            return answer
        if isinstance(action, SetPeriod):
            if not self._pile.settings.configures:
                return Answer(Outcome.UNSUPPORTED, "the operator's own system sets this pile up")
            key = asks.settings_keys["meter_value_sample_interval_s"]
            return await asks.write_setting(key, str(max(1, round(action.period_s))))
        if isinstance(action, PollNow):
            return await self.trigger(asks, "StatusNotification", number)
        return Answer(Outcome.UNSUPPORTED, f"OCPP {self._pile.version} has no such thing")

    async def trigger(self, asks: StationAsks, message: str, number: int) -> Answer:
        """Asks for a message, unless the station was asked for it less than the floor ago."""
        left_s = self._pile.floor.left_s(message, number, time.monotonic())
        if left_s > 0:
            return Answer(Outcome.REFUSED, f"asked too often; again in {left_s:.0f} s")
        self._pile.floor.asked(message, number, time.monotonic())
        return await asks.trigger(message, number)

    def started(self, number: int, reservation: int | None) -> None:
        """OCPP 1.6: a transaction began at an EVSE."""
        if number in self.kept:
            self.kept[number] = self.kept[number].started(reservation)

    def presented(self, token: str, reservation: int | None = None) -> None:
        """OCPP 2.0.1: a token was shown, or a transaction named a reservation."""
        for number, kept in self.kept.items():
            self.kept[number] = kept.presented(token, reservation)

    def lapsed(self, reservation: int) -> None:
        """The station itself gave a reservation up."""
        self.kept = {n: kept for n, kept in self.kept.items() if kept.number != reservation}

    async def _ask_for_state(self, asks: StationAsks) -> None:
        """Asks for every status that was not told on this connection, and no sooner than allowed.

        Where the station cannot be asked, what was known before counts again.
        """
        silent = [n for n, word in self._pile.words.items() if not word.believed]
        everything = len(silent) == len(self._pile.words) and self._pile.version == "1.6"
        for number in [0] if everything else silent:
            left_s = self._pile.floor.left_s("StatusNotification", number, time.monotonic())
            await asyncio.sleep(max(0.0, left_s))
            answer = await self.trigger(asks, "StatusNotification", number)
            if answer.outcome is not Outcome.DONE:
                self._pile.believe_again()
                return

    async def _ask_for_charging_state(self, asks: StationAsks) -> None:
        """2.0.1: a status says Occupied only; what the car does is in the transaction's events."""
        for number, word in self._pile.words.items():
            if word.state.ocpp is OcppStatus.OCCUPIED:
                await self.trigger(asks, "TransactionEvent", number)

    async def _apply_settings(self, asks: StationAsks) -> float:
        """Applies the wishes that differ; how often idle meters have to be asked for, 0 = never."""
        if not self._pile.settings.configures:
            return await self._idle_by_operator(asks)
        wishes = self._pile.settings.wishes
        wanted = {asks.settings_keys["heartbeat_s"]: self._pile.settings.heartbeat_s}
        for name in ("meter_value_sample_interval_s", "clock_aligned_data_interval_s"):
            if wishes.get(name, 0.0) > 0:
                wanted[asks.settings_keys[name]] = wishes[name]
        texts = {key: str(max(1, round(seconds))) for key, seconds in wanted.items()}
        present = await asks.read_settings(list(texts))
        refused = set()
        for key, text in texts.items():
            if present.get(key) == text:
                continue
            answer = await asks.write_setting(key, text)
            if answer.outcome is not Outcome.DONE:
                refused.add(key)
            if answer.message != "Accepted":
                await self._report(key, text, answer)
        clock_key = asks.settings_keys["clock_aligned_data_interval_s"]
        unheard = clock_key in refused or clock_key not in texts
        return wishes.get("idle_meter_values_s", 0.0) if unheard else 0.0

    async def _idle_by_operator(self, asks: StationAsks) -> float:
        """The same where nothing may be set: 0 where the operator has meters told by the clock."""
        key = asks.settings_keys["clock_aligned_data_interval_s"]
        present = await asks.read_settings([key])
        told = present.get(key, "0").strip() not in ("", "0")
        return 0.0 if told else self._pile.settings.wishes.get("idle_meter_values_s", 0.0)

    async def _report(self, key: str, text: str, answer: Answer) -> None:
        """Tells once what became of a wish that was not simply taken."""
        if (key, answer.message) in self._told_settings:
            return
        self._told_settings.add((key, answer.message))
        reboot = answer.message == "RebootRequired"
        reason = "SETTING_NEEDS_REBOOT" if reboot else "SETTING_REFUSED"
        await self._pile.event(f"{key}={text}: {answer.message}", reason)

    async def _ask_idle_meters(self, asks: StationAsks) -> None:
        """Stations promise meter values during transactions only."""
        for number, word in self._pile.words.items():
            if word.state.status not in _IN_USE:
                await self.trigger(asks, "MeterValues", number)

    async def _reserve(self, asks: StationAsks, number: int, action: Reserve) -> Answer:
        kept = self.kept.get(number)
        if kept is not None and kept.claim_id == action.claim_id and kept.used:
            return Answer(Outcome.DONE, "its driver is there: the reservation is used")
        if len(action.id_token) > asks.token_chars:
            limit = f"at most {asks.token_chars} characters"
            return Answer(Outcome.UNSUPPORTED, f"OCPP {self._pile.version} tokens have {limit}")
        until_ms = self._pile.now_ms() + round(action.duration_s * 1000.0)
        reservation = reservation_number(action.claim_id)
        self._pile.words[number].changed.clear()
        answer = await asks.reserve(number, action.id_token, until_ms, reservation)
        if answer.outcome is not Outcome.DONE:
            # Rejected means: this station is set up not to take reservations at all.
            if answer.outcome is Outcome.REFUSED and answer.message == "Rejected":
                return Answer(Outcome.UNSUPPORTED, "the station rejects reservations")
            return answer
        fresh = Reservation(reservation, action.claim_id, action.id_token, until_ms)
        self.kept[number] = fresh
        if await self._shown(number):
            return Answer(Outcome.DONE, "Accepted")
        return Answer(Outcome.DONE, "Accepted, but the station does not show Reserved")

    async def _shown(self, number: int) -> bool:
        """Whether the EVSE shows Reserved; a station that never did is not waited for again."""
        word = self._pile.words[number]
        if self._shows is not False:
            try:
                async with asyncio.timeout(self._pile.settings.shown_s):
                    while word.state.status is not EvseStatus.RESERVED:
                        word.changed.clear()
                        await word.changed.wait()
            except TimeoutError:
                self._shows = False
        shown = word.state.status is EvseStatus.RESERVED
        self._shows = True if shown else self._shows
        return shown

    async def _cancel(self, asks: StationAsks, action: Cancel) -> Answer:
        reservation = reservation_number(action.claim_id)
        kept = next((k for k in self.kept.values() if k.number == reservation), None)
        self.lapsed(reservation)
        if kept is not None and kept.used:
            return Answer(Outcome.DONE, "its driver came: the reservation is used")
        answer = await asks.cancel(reservation)
        if answer.outcome is Outcome.REFUSED and answer.message == "Rejected":
            return replace(answer, outcome=Outcome.DONE, message="the station had none any more")
        return answer
