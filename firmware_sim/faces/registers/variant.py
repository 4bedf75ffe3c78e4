"""What one device does otherwise than its model: fewer registers, one client, a slow start.

The keys are those of `[pile.registers]`; what each does is in `map.py` and `modbus.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from firmware_sim.config_tables import RegistersTable
from firmware_sim.core.wire import WireFault
from firmware_sim.faces.registers.map import Clients, Halves, RegisterMap
from firmware_sim.faces.registers.ranges import Range

Boot = Literal["silent", "busy", "closed", "shown"]


@dataclass(frozen=True, slots=True)
class Variant:
    """The differences; None, an empty tuple and 0 leave the model as it is.

    For `boot_s` of domain time after its start the device keeps silent, says that it is busy
    (exception 6), hangs up, or shows that it is starting.
    """

    most_read: int | None = None
    clients: Clients | None = None
    halves: Halves | None = None
    gaps: tuple[Range, ...] = ()
    closing: tuple[Range, ...] = ()
    locked: tuple[Range, ...] = ()
    once: tuple[Range, ...] = ()
    boot_s: float = 0.0
    boot: Boot = "silent"

    @property
    def boot_fault(self) -> WireFault | None:
        """What a request meets while the device boots; None where it is answered."""
        if self.boot == "shown":
            return None
        if self.boot == "busy":
            return WireFault("exception", exception_code=6)
        return WireFault("silent" if self.boot == "silent" else "disconnect")

    def of(self, register_map: RegisterMap, unit_id: int | None) -> RegisterMap:
        """The map of this device; `unit_id` None leaves the model's own."""
        return replace(
            register_map,
            unit_id=register_map.unit_id if unit_id is None else unit_id,
            most_read=self.most_read or register_map.most_read,
            clients=self.clients or register_map.clients,
            halves=self.halves or register_map.halves,
            gaps=(*register_map.gaps, *self.gaps),
            closing=(*register_map.closing, *self.closing),
            locked=(*register_map.locked, *self.locked),
            once=(*register_map.once, *self.once),
        )


def variant_of(table: RegistersTable) -> Variant:
    """The differences that a configuration names."""
    return Variant(
        most_read=table.most_read,
        clients=table.clients,
        halves=table.halves,
        gaps=tuple(table.gaps),
        closing=tuple(table.closing),
        locked=tuple(table.locked),
        once=tuple(table.once),
        boot_s=table.boot_s,
        boot=table.boot,
    )
