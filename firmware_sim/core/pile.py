"""One simulated pile: its EVSEs, the power that they share and the wire that leads to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from firmware_sim.core.charging import advance
from firmware_sim.core.controller import lose_power, restore_power, set_share
from firmware_sim.core.evse import Evse, EvseSpec, Supply
from firmware_sim.core.ocpp_faults import OcppFault
from firmware_sim.core.sensor_faults import SensorFault
from firmware_sim.core.wire import WireFault
from firmware_sim.errors import UnknownNameError

# How often power is shared out again while time moves in one long stride.
_SHARE_STEP_S = 30.0


@dataclass(frozen=True, slots=True)
class PileSpec:
    """What a pile is: model, power in kW, what flows, how many EVSEs, 16 hex digits of serial.

    An empty `firmware` is what the model comes with; `wire` and `ocpp_faults` are what is wrong
    with its talking from the start.
    """

    pile_id: str
    model: str
    max_power_kw: float
    supply: Supply
    evse_count: int = 1
    local_auth: bool = True
    serial: str = "0" * 16
    firmware: str = ""
    wire: WireFault | None = None
    ocpp_faults: tuple[OcppFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Pile:
    """Everything that is true of one pile at an instant."""

    spec: PileSpec
    evses: tuple[Evse, ...]
    wire: WireFault | None = None
    ocpp_faults: tuple[OcppFault, ...] = ()
    sensor_faults: tuple[SensorFault, ...] = ()

    @property
    def talking(self) -> tuple[OcppFault | SensorFault, ...]:
        """What is wrong with how it and its sensors talk, beside the wire."""
        return (*self.ocpp_faults, *self.sensor_faults)

    @property
    def is_dark(self) -> bool:
        """Whether no EVSE has power, or all are still starting: the pile answers nobody."""
        return all(evse.is_dark for evse in self.evses)

    def evse(self, evse_id: str) -> Evse:
        """The EVSE of that name; raises UnknownNameError."""
        for evse in self.evses:
            if evse.spec.evse_id == evse_id:
                return evse
        raise UnknownNameError("EVSE", evse_id)

    def with_evse(self, evse_id: str, change: Callable[[Evse], Evse]) -> Pile:
        """The pile after `change` of one EVSE; power is shared out anew."""
        evses = tuple(change(evse) if evse.spec.evse_id == evse_id else evse for evse in self.evses)
        if all(new is old for new, old in zip(evses, self.evses, strict=True)):
            return self
        return share_out(replace(self, evses=evses))


def build_pile(spec: PileSpec) -> Pile:
    """A pile fresh from the factory; its EVSEs are named `<pile_id>*1` and on."""
    evses = tuple(
        Evse(
            EvseSpec(
                evse_id=f"{spec.pile_id}*{number}",
                supply=spec.supply,
                max_power_kw=spec.max_power_kw,
                local_auth=spec.local_auth,
            )
        )
        for number in range(1, spec.evse_count + 1)
    )
    return share_out(Pile(spec, evses, spec.wire, spec.ocpp_faults))


def lose_pile_power(pile: Pile) -> Pile:
    """The pile with none of its EVSEs powered: it is dark."""
    return _all_changed(pile, lose_power)


def restore_pile_power(pile: Pile) -> Pile:
    """The pile with power again, dark until it has started."""
    return _all_changed(pile, restore_power)


def _all_changed(pile: Pile, change: Callable[[Evse], Evse]) -> Pile:
    for evse in pile.evses:
        pile = pile.with_evse(evse.spec.evse_id, change)
    return pile


def share_out(pile: Pile) -> Pile:
    """The pile with its power divided equally among the EVSEs that draw; DC piles only.

    An AC pile has one fully rated circuit per socket.
    """
    if pile.spec.supply is not Supply.DC or len(pile.evses) == 1:
        return pile
    drawing = sum(1 for evse in pile.evses if evse.is_running and not _is_full(evse))
    share_kw = pile.spec.max_power_kw / max(drawing, 1)
    evses = tuple(set_share(evse, share_kw) for evse in pile.evses)
    if all(new is old for new, old in zip(evses, pile.evses, strict=True)):
        return pile
    return replace(pile, evses=evses)


def advance_pile(pile: Pile, dt_s: float) -> Pile:
    """The pile `dt_s` seconds of domain time later; the same object if nothing moved."""
    if pile.wire is not None and pile.wire.remaining_s is not None:
        left_s = pile.wire.remaining_s - dt_s
        pile = replace(pile, wire=replace(pile.wire, remaining_s=left_s) if left_s > 1e-9 else None)
    if pile.ocpp_faults and dt_s > 0:
        pile = _with_ocpp(pile, [fault.later(dt_s) for fault in pile.ocpp_faults])
    if pile.sensor_faults and dt_s > 0:
        pile = _with_sensor(pile, [fault.later(dt_s) for fault in pile.sensor_faults])
    sharing = pile.spec.supply is Supply.DC and len(pile.evses) > 1
    left_s = dt_s
    while True:
        step_s = min(left_s, _SHARE_STEP_S) if sharing else left_s
        evses = tuple(advance(evse, step_s) for evse in pile.evses)
        if any(new is not old for new, old in zip(evses, pile.evses, strict=True)):
            pile = share_out(replace(pile, evses=evses))
        left_s -= step_s
        if left_s <= 1e-9:
            return pile


def inject_ocpp(pile: Pile, fault: OcppFault) -> Pile:
    """The pile with an OCPP fault; one of the same kind for the same action makes room."""
    others = [f for f in pile.ocpp_faults if (f.kind, f.action) != (fault.kind, fault.action)]
    return _with_ocpp(pile, [*others, fault])


def clear_ocpp(pile: Pile, fault: OcppFault | None) -> Pile:
    """The pile without one OCPP fault, or without any that it was not built with."""
    if fault is None:
        return _with_ocpp(pile, list(pile.spec.ocpp_faults))
    kept = [f for f in pile.ocpp_faults if (f.kind, f.action) != (fault.kind, fault.action)]
    return _with_ocpp(pile, kept)


def meet_ocpp_fault(pile: Pile, fault: OcppFault) -> Pile:
    """The pile after one message met a fault that is counted."""
    return _with_ocpp(pile, [f.after_one() if f is fault else f for f in pile.ocpp_faults])


def inject_sensor(pile: Pile, fault: SensorFault) -> Pile:
    """The pile with a bad habit of its sensors; one of the same kind makes room."""
    others = [f for f in pile.sensor_faults if f.kind != fault.kind]
    return _with_sensor(pile, [*others, fault])


def clear_sensor(pile: Pile, fault: SensorFault | None) -> Pile:
    """The pile whose sensors have one bad habit less, or none."""
    kept = [f for f in pile.sensor_faults if fault is not None and f.kind != fault.kind]
    return _with_sensor(pile, kept)


def _with_sensor(pile: Pile, faults: Sequence[SensorFault | None]) -> Pile:
    left = tuple(fault for fault in faults if fault is not None)
    return pile if left == pile.sensor_faults else replace(pile, sensor_faults=left)


def _with_ocpp(pile: Pile, faults: Sequence[OcppFault | None]) -> Pile:
    left = tuple(fault for fault in faults if fault is not None)
    return pile if left == pile.ocpp_faults else replace(pile, ocpp_faults=left)


def _is_full(evse: Evse) -> bool:
    return evse.car is None or evse.car.is_done
