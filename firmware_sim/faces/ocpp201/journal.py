"""Turns changes of a pile into what its central system must hear, in the order it happened.

Where a transaction begins and ends, and what triggers its events, is in `story.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ocpp.v201 import call

from firmware_sim.core.evse import Evse, Phase
from firmware_sim.core.faults import FaultKind
from firmware_sim.faces.ocpp201.messages import event_data, meter_value, shown_status, word
from firmware_sim.faces.ocpp201.outbox import Outbox, Transaction
from firmware_sim.faces.ocpp201.story import Seal, Story
from firmware_sim.faces.ocpp_habits import Habits
from firmware_sim.faces.ocpp_settings import Settings


class Journal:
    """What is still to be told: connectors whose status changed, drivers to ask about, mail.

    `woken` is set whenever something was added. `free_token` stands for a driver who showed none.
    `online` marks the events that happen while the central system hears them; `notices` are
    requests that are told once; `cancelled` are reservations that the central system gave up.
    """

    def __init__(
        self,
        stamp: Callable[[], str],
        free_token: str,
        settings: Settings,
        habits: Habits,
        seal: Seal | None = None,
    ) -> None:
        self.woken = asyncio.Event()
        self.online = False
        self.statuses: dict[str, None] = {}
        self.drivers: dict[tuple[str, int], str] = {}
        self.alerts: list[Any] = []
        self.notices: list[Any] = []
        self.cancelled: set[int] = set()
        self.ended: set[str] = set()
        self._stamp = stamp
        self._settings = settings
        self._habits = habits
        self._events = 0
        self._story = Story(self, stamp, free_token, settings, habits, seal)

    @property
    def outbox(self) -> Outbox:
        """The transaction events that wait."""
        return self._story.outbox

    @property
    def running(self) -> dict[str, Transaction]:
        """The transactions that run, by EVSE."""
        return self._story.running

    @property
    def remote_starts(self) -> dict[str, int]:
        """The ids of remote starts whose transaction is still to begin, by EVSE."""
        return self._story.remote_starts

    def note(self, old: Evse, new: Evse) -> None:
        """Takes one change of one EVSE."""
        self._story.note(old, new)
        session = new.session
        if session and session.phase is Phase.WAITING and session.granted_token is None:
            before = old.session.number if old.session else None
            if session.presented_token and before != session.number:
                self.drivers[(new.spec.evse_id, session.number)] = session.presented_token
        if shown_status(old, self._habits) != shown_status(new, self._habits):
            self.statuses[new.spec.evse_id] = None
        self._note_reservation(old, new)
        self._note_faults(old, new)
        if new.spec.evse_id in self.ended and "flash_available" in self._habits:
            self.statuses[new.spec.evse_id] = None
        if self.statuses or self.drivers or self.alerts or self.notices or len(self.outbox):
            self.woken.set()

    def sample(
        self, evse: Evse, context: str = "Sample.Periodic", trigger: str = "MeterValuePeriodic"
    ) -> bool:
        """Puts one meter sample of a running transaction into the mail; False where none runs."""
        return self._story.sample(evse, context, trigger)

    def value(self, evse: Evse, context: str, names: str) -> Any:
        """One sample of the measurands that a variable names."""
        wanted = self._settings.words(names)
        return meter_value(evse, self._stamp(), context, wanted, self._habits)

    def transaction(self, transaction_id: str) -> Transaction | None:
        """The running transaction of that name."""
        running = self.running.values()
        return next((t for t in running if t.transaction_id == transaction_id), None)

    def _note_reservation(self, old: Evse, new: Evse) -> None:
        """One that lapsed is told; one that was used or cancelled is known already."""
        held = old.reservation
        if held is None or new.reservation is not None or new.is_running:
            return
        if held.reservation_id in self.cancelled:
            self.cancelled.discard(held.reservation_id)
            return
        self.notices.append(call.ReservationStatusUpdate(held.reservation_id, word("Expired")))

    def _note_faults(self, old: Evse, new: Evse) -> None:
        if old.faults is new.faults or "faulted_no_error" in self._habits:
            return
        before = {fault.kind for fault in old.faults}
        now = {fault.kind for fault in new.faults}
        for kind in now - before:
            self._alert(new, kind, cleared=False)
        for kind in before - now:
            self._alert(new, kind, cleared=True)

    def _alert(self, evse: Evse, kind: FaultKind, *, cleared: bool) -> None:
        self._events += 1
        number = int(evse.spec.evse_id.rpartition("*")[2])
        self.alerts.append(event_data(self._events, number, kind, self._stamp(), cleared=cleared))
