"""Sends what is due, one call at a time, and keeps what could not be sent; both OCPP versions.

What a message says, and what its answer means, is in the sender of each version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import structlog
from ocpp.exceptions import OCPPError

from firmware_sim.config_tables import OcppTable
from firmware_sim.faces.ocpp_calls import CallIds
from firmware_sim.faces.ocpp_habits import Habits

_log = structlog.get_logger(__name__)
_MIN_BOOT_RETRY_S = 0.5
_STORM_S = 1.0
# A charge point without a beat looks again this often whether it has got one.
_IDLE_S = 3600.0
# Habits whose messages the schemas do not admit.
_INVALID = ("unknown_measurand", "comma")


class Mail(Protocol):
    """What waits to be told, in the version's own words."""

    woken: asyncio.Event
    statuses: dict[str, None]


class Answered(Protocol):
    """One connection's worth of charge point: what calls, and gives the answer."""

    async def call(
        self,
        payload: Any,
        suppress: bool = True,
        unique_id: str | None = None,
        skip_schema_validation: bool = False,
    ) -> Any:
        """The answer to a request; raises OCPPError for a CALLERROR."""


class Sender:
    """Everything that a charge point says of its own accord; versions fill in the words.

    `status` is what the central system said to the boot: Accepted, Pending or Rejected.
    """

    def __init__(self, pile_id: str, mail: Mail, habits: Habits, table: OcppTable) -> None:
        self._pile_id = pile_id
        self._mail = mail
        self._habits = habits
        self._table = table
        self._ids = CallIds(habits)
        self._promised: list[Any] = []
        self.status = ""
        self.quiet = asyncio.Event()

    async def told(self) -> None:
        """Returns when nothing is due any more."""
        self.quiet.clear()
        self._mail.woken.set()
        await self.quiet.wait()

    def connected(self) -> None:
        """Begins a new connection: ids are counted anew."""
        self._ids = CallIds(self._habits)

    def promise(self, request: Any, *, first: bool = False) -> None:
        """Makes a request due, after (or before) what was promised before."""
        self._promised.insert(0 if first else len(self._promised), request)
        self._mail.woken.set()

    async def boot(self, station: Answered, reason: str) -> None:
        """Says who the pile is until it is accepted; takes over the heartbeat interval.

        While it is pending, what the central system triggers is sent, nothing else.
        """
        while True:
            answer = await self._call(station, self.boot_request(reason))
            if answer is not None:
                self.status = str(answer.status)
                if answer.interval > 0:
                    self.set_heartbeat_s(float(answer.interval))
                if self.status == "Accepted":
                    break
            interval = answer.interval if answer is not None else 0
            await self._wait_pending(station, max(float(interval), _MIN_BOOT_RETRY_S))
        if self._table.heartbeat_s > 0:
            self.set_heartbeat_s(self._table.heartbeat_s)

    async def deliver(self, station: Answered) -> None:
        """Sends what is due until cancelled; a lost link leaves the rest for the next one."""
        while True:
            await self._mail.woken.wait()
            self._mail.woken.clear()
            while await self._deliver_one(station):
                pass
            self.quiet.set()

    async def heartbeat(self, station: Answered) -> None:
        """Beats at the interval that the central system gave."""
        while True:
            await asyncio.sleep(self.heartbeat_s() or _IDLE_S)
            if self.heartbeat_s() and "no_heartbeat" not in self._habits:
                await self._call(station, self.heartbeat_request())

    async def storm(self, station: Answered) -> None:
        """Introduces itself again and again, as long as the pile has that habit."""
        while True:
            await asyncio.sleep(self._habits.number("boot_storm") or _STORM_S)
            if "boot_storm" in self._habits:
                await self._call(station, self.boot_request("Watchdog"))

    async def _wait_pending(self, station: Answered, left_s: float) -> None:
        try:
            async with asyncio.timeout(left_s):
                while True:
                    if self._promised and self.status == "Pending":
                        await self._call(station, self._promised.pop(0))
                        continue
                    await self._mail.woken.wait()
                    self._mail.woken.clear()
        except TimeoutError:
            # What came meanwhile is still due.
            self._mail.woken.set()

    async def _deliver_one(self, station: Answered) -> bool:
        """Sends one message; False when nothing is due."""
        if self._promised:
            await self._call(station, self._promised[0])
            self._promised.pop(0)
        elif self._mail.statuses:
            await self._send_status(station, next(iter(self._mail.statuses)))
        else:
            return await self.deliver_mail(station)
        return True

    async def _send_status(self, station: Answered, evse_id: str) -> None:
        # Forgotten before it is sent: a change during the call must be told again.
        del self._mail.statuses[evse_id]
        try:
            for request in self.status_requests(evse_id):
                await self._call(station, request)
        except BaseException:
            self._mail.statuses[evse_id] = None
            raise

    async def _call(self, station: Answered, request: Any, message_id: str | None = None) -> Any:
        """The answer; None when the central system answered with an error."""
        try:
            unique_id = self._ids.next(message_id)
            return await station.call(
                request,
                suppress=False,
                unique_id=unique_id,
                skip_schema_validation=any(habit in self._habits for habit in _INVALID),
            )
        except OCPPError as error:
            _log.warning(
                "call refused",
                pile=self._pile_id,
                action=type(request).__name__,
                reason=str(error),
            )
            return None

    def boot_request(self, reason: str) -> Any:
        """Who the pile is."""
        raise NotImplementedError

    def heartbeat_request(self) -> Any:
        """A beat."""
        raise NotImplementedError

    def status_requests(self, evse_id: str) -> Sequence[Any]:
        """The status of one EVSE, told in one or several messages, or not at all."""
        raise NotImplementedError

    def heartbeat_s(self) -> float:
        """Real seconds between beats, 0 for none."""
        raise NotImplementedError

    def set_heartbeat_s(self, seconds: float) -> None:
        """Takes over the interval that the central system gave."""
        raise NotImplementedError

    async def deliver_mail(self, station: Answered) -> bool:
        """Sends one message of the version's own mail; False when nothing is due."""
        raise NotImplementedError
