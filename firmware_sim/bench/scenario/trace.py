"""A digest of everything that was seen outside a pile during a run, in the order it happened.

Two runs are the same when their digests are; names that are drawn at random are left out.
"""

from __future__ import annotations

import hashlib
import json
import re

from firmware_sim.bench.scenario.world import World
from firmware_sim.core.evse import Evse
from firmware_sim.core.status import ocpp_error, ocpp_status

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


class Trace:
    """Follows a world from its beginning."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sum = hashlib.sha256()
        world.fleet.on_evse_change(self._note)

    def digest(self) -> str:
        """The digest of all changes and of all that was said."""
        for message in self._world.central.messages:
            payload = _UUID.sub("id", json.dumps(message.payload, sort_keys=True))
            self._add(f"{message.at_s:.6f} {message.pile_id} {message.action} {payload}")
        for at_s, pile_id, action, answer in self._world.central.answers:
            self._add(f"{at_s:.6f} {pile_id} {action} {json.dumps(answer, sort_keys=True)}")
        for pile_id, master in sorted(self._world.masters.items()):
            self._add(f"{pile_id} {master.requests} {master.failures} {master.words}")
        return self._sum.hexdigest()

    def _note(self, old: Evse, new: Evse) -> None:
        faults = ",".join(sorted(fault.kind.name for fault in new.faults))
        self._add(
            f"{self._world.now_s:.6f} {new.spec.evse_id} {ocpp_status(new)} {ocpp_error(new)} "
            f"{new.pilot.value} {new.power_kw:.6f} {new.meter.total_wh:.3f} {faults} "
            f"{new.bay_occupied} {new.queue_length}"
        )

    def _add(self, text: str) -> None:
        self._sum.update(text.encode())
        self._sum.update(b"\n")
