"""Piles whose physics or controller is broken on purpose, each in one way.

What masters and central systems see wrongly is in `mutations_faces.py`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final

from firmware_sim.bench.scenario.mutation import Mutation, Patch, nothing, same
from firmware_sim.bench.scenario.patching import changed, entry, replaced, wrapped
from firmware_sim.core import (
    battery,
    causes,
    charging,
    controller,
    faults,
    memory,
    meter,
    pile,
    settling,
    status,
    thermal,
)
from firmware_sim.core.evse import Evse, Lock
from firmware_sim.fleet import Fleet


def _blind(name: str) -> Patch:
    """A pile that never notices the cause of one fault."""

    def apply() -> AbstractContextManager[None]:
        left = tuple(cause for cause in causes.CAUSES if cause.name != name)
        return replaced(causes.CAUSES, left)

    return apply


def _without_faults(original: Any, evse: Evse) -> Any:
    return original(replace(evse, faults=()))


def _for_anybody(original: Any, evse: Evse, token: str) -> Any:
    return original(replace(evse, reservation=None), token)


def _button_too(original: Any, evse: Evse, kind: Any) -> Any:
    return original(replace(evse, emergency_pressed=False), kind)


def _lets_anybody(original: Any, spec: Any) -> Any:
    return original(replace(spec, local_auth=True))


def _aired(original: Any, spec: Any) -> Any:
    built = original(spec)
    evses = tuple(replace(e, spec=replace(e.spec, ventilated=True)) for e in built.evses)
    return replace(built, evses=evses)


def _empty_meter(original: Any, evse: Evse) -> Any:
    return replace(original(evse), meter_wh=0.0)


def _without_drift(original: Any, evse: Evse, drawn_kwh: float, step_s: float) -> Any:
    return original(
        replace(evse, inputs=replace(evse.inputs, meter_drift_pct=0)), drawn_kwh, step_s
    )


_NO_DERATING: Final = replace(faults.FAULTS["CableOverTempDerate"], power_factor=1.0)

OF_THE_PILE: Final = (
    Mutation(
        "contactor-ignores-stop",
        "a session never ends by a stop",
        ("remote-start", "out-of-service"),
        lambda: replaced(settling.ended, same),
    ),
    Mutation(
        "faults-do-not-open",
        "a fault leaves pilot and contactor as they are",
        ("pilot-short",),
        lambda: wrapped(settling._pilot, _without_faults),
    ),
    Mutation(
        "status-stuck",
        "the status is Available for ever",
        ("happy-ac", "overstay"),
        lambda: replaced(status.ocpp_status, lambda evse: "Available"),
    ),
    Mutation(
        "lock-never-locks",
        "the plug is never held",
        ("happy-ac",),
        lambda: replaced(settling._lock, lambda evse: Lock.UNLOCKED),
    ),
    Mutation(
        "meter-does-not-count",
        "energy flows past the meter",
        ("happy-ac", "dc-taper", "wrong-clock"),
        lambda: changed(meter.Meter, "added", same),
    ),
    Mutation(
        "meter-forgets",
        "the meter begins at 0 after a power cut",
        ("power-loss", "brown-out"),
        lambda: wrapped(memory.kept, _empty_meter),
    ),
    Mutation(
        "meter-goes-negative",
        "the energy of a session is wrong once the register was full",
        ("meter-rollover",),
        lambda: changed(meter.Meter, "since", lambda self, start_wh: self.total_wh - start_wh),
    ),
    Mutation(
        "meter-never-drifts",
        "the meter is right whatever its drift",
        ("meter-drift",),
        lambda: wrapped(charging._counted_wh, _without_drift),
    ),
    Mutation(
        "derating-off",
        "a hot cable gets full power",
        ("over-temperature",),
        lambda: entry(faults.FAULTS, "CableOverTempDerate", _NO_DERATING),
    ),
    Mutation(
        "temperature-does-not-rise",
        "nothing gets warm",
        ("over-temperature", "hot-cabinet"),
        lambda: replaced(thermal.course_of, lambda evse: None),
    ),
    Mutation(
        "taper-off",
        "a battery takes full power until it is full",
        ("dc-taper",),
        lambda: changed(battery.Battery, "accepted_kw", property(lambda self: self.max_power_kw)),
    ),
    Mutation(
        "cold-ignored",
        "a frozen battery takes full power",
        ("cold-battery",),
        lambda: replaced(battery.warm_share, lambda temperature_c: 1.0),
    ),
    Mutation(
        "never-wears-out",
        "no part fails by itself",
        ("wears-out",),
        lambda: changed(Fleet, "_age", nothing),
    ),
    Mutation(
        "power-not-shared",
        "every car gets all of the pile's power",
        ("shared-power",),
        lambda: replaced(pile.share_out, same),
    ),
    Mutation(
        "limit-ignored",
        "what a master asks for changes nothing",
        ("torn-write", "cold-restart"),
        lambda: replaced(controller.set_limit, same),
    ),
    Mutation(
        "boots-at-once",
        "a pile answers the moment its power is back",
        ("cold-restart", "brown-out"),
        lambda: changed(memory, "BOOT_S", 0.01),
    ),
    Mutation(
        "reservation-ignored",
        "anybody may use a reserved place",
        ("reservation-honoured", "reservation-lapses"),
        lambda: wrapped(controller.authorise, _for_anybody),
    ),
    Mutation(
        "reservation-never-lapses",
        "a place is kept for ever",
        ("reservation-lapses",),
        lambda: changed(charging, "cancel_reservation", same),
    ),
    Mutation(
        "anybody-is-let-on",
        "no driver is asked about",
        ("refused-driver",),
        lambda: wrapped(pile.build_pile, _lets_anybody),
    ),
    Mutation(
        "ventilation-ignored",
        "a car that needs ventilation is served anywhere",
        ("ventilated-d",),
        lambda: wrapped(pile.build_pile, _aired),
    ),
    Mutation(
        "emergency-stop-clears",
        "clearing faults pulls the button out",
        ("emergency-stop",),
        lambda: wrapped(controller.clear, _button_too),
    ),
    Mutation(
        "rcd-never-trips",
        "no residual current is noticed",
        ("rcd-trip", "rcd-smooth-dc", "rcd-self-test", "ground-fault"),
        _blind("GroundFailure"),
    ),
    Mutation(
        "blind-to-over-voltage",
        "no over-voltage is noticed",
        ("over-voltage",),
        _blind("OverVoltage"),
    ),
    Mutation(
        "blind-to-under-voltage",
        "no under-voltage is noticed",
        ("under-voltage",),
        _blind("UnderVoltage"),
    ),
    Mutation(
        "blind-to-over-current",
        "no over-current is noticed",
        ("over-current",),
        _blind("OverCurrentFailure"),
    ),
    Mutation(
        "blind-to-isolation",
        "lost isolation under load is not noticed",
        ("isolation-fault",),
        _blind("ResistanceFault"),
    ),
    Mutation(
        "blind-to-pilot",
        "a broken pilot is not noticed",
        ("diode-fault", "pilot-short"),
        _blind("PilotFault"),
    ),
    Mutation(
        "blind-to-welding",
        "the mirror contact is not looked at",
        ("contactor-weld",),
        _blind("EVSEContactorFault"),
    ),
    Mutation(
        "blind-to-lock",
        "a lock that does not move is not noticed",
        ("lock-stuck",),
        _blind("ConnectorLockFailure"),
    ),
    Mutation(
        "blind-to-cut-cable", "a cut cable is not noticed", ("cut-cable",), _blind("CutCable")
    ),
)
