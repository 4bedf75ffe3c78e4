"""What an EVSE remembers without power, how the power goes and how it comes back.

Everything that is not in `Kept` is lost: set points, reservations, tokens shown ahead, latches.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from firmware_sim.core.evse import Evse, EvseSpec, Lock, Phase, Session
from firmware_sim.core.meter import Meter
from firmware_sim.core.settling import ended, settle
from firmware_sim.errors import NotPossibleNowError

# A controller's power supply works from 85 V on and starts again above 180 V.
BROWN_OUT_V, STARTS_V = 85.0, 180.0
BOOT_S = 20.0


@dataclass(frozen=True, slots=True)
class Kept:
    """The non-volatile part: meter, transaction, availability."""

    meter_wh: float
    sessions_begun: int
    is_operative: bool
    session: Session | None


def kept(evse: Evse) -> Kept:
    """What this EVSE would still know after a restart."""
    operative = evse.is_operative and evse.operative_after_session is not False
    return Kept(evse.meter.total_wh, evse.sessions_begun, operative, evse.session)


def to_text(memory: Kept) -> str:
    """The non-volatile part as one line of JSON."""
    table = asdict(memory)
    if memory.session is not None:
        table["session"]["phase"] = memory.session.phase.value
    return json.dumps(table, separators=(",", ":"))


def from_text(text: str) -> Kept:
    """The non-volatile part of `to_text`; raises ValueError for another text."""
    try:
        table = json.loads(text)
        session = table.pop("session")
        if session is not None:
            session = Session(**{**session, "phase": Phase(session["phase"])})
        return Kept(session=session, **table)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not the memory of an EVSE: {text[:60]!r}") from error


def remembering(spec: EvseSpec, memory: Kept) -> Evse:
    """An EVSE that knows only what it kept, its sockets empty, still without a settled state."""
    return Evse(
        spec,
        meter=Meter(memory.meter_wh),
        sessions_begun=memory.sessions_begun,
        is_operative=memory.is_operative,
        session=memory.session,
    )


def lose_power(evse: Evse) -> Evse:
    """The EVSE without power: dark, contactor open; the world around it stays as it is."""
    if not evse.has_power:
        return evse
    return settle(
        replace(
            remembering(evse.spec, kept(evse)),
            has_power=False,
            car=evse.car,
            faults=tuple(fault for fault in evse.faults if not fault.arose),
            parked=evse.parked,
            queue_length=evse.queue_length,
            inputs=evse.inputs,
            lock=evse.lock if evse.inputs.lock_stuck_shut else Lock.UNLOCKED,
            temperature_c=evse.temperature_c,
            cable_c=evse.cable_c,
            emergency_pressed=evse.emergency_pressed,
            share_kw=evse.share_kw,
        )
    )


def restore_power(evse: Evse) -> Evse:
    """The EVSE with power again: it stays dark while it starts."""
    if evse.has_power:
        return evse
    if evse.inputs.mains_l1_v < STARTS_V:
        raise NotPossibleNowError(
            evse.spec.evse_id,
            f"mains L1 is at {evse.inputs.mains_l1_v:g} V, it starts from {STARTS_V:g} V",
        )
    return settle(replace(evse, has_power=True, boot_left_s=BOOT_S))


def mains_changed(evse: Evse) -> Evse:
    """The EVSE after its first phase changed: a brown-out takes its power, mains give it back."""
    if evse.has_power and evse.inputs.mains_l1_v < BROWN_OUT_V:
        return lose_power(evse)
    if not evse.has_power and evse.inputs.mains_l1_v >= STARTS_V:
        return restore_power(evse)
    return settle(evse)


def started(evse: Evse) -> Evse:
    """The EVSE at the end of its start: what ran has ended with PowerLoss, or begins again."""
    evse = replace(evse, boot_left_s=0.0)
    session = evse.session
    if session is None:
        return settle(evse)
    if evse.car is None:
        return settle(replace(evse, session=None))
    if session.phase is Phase.RUNNING and not evse.spec.resumes_after_power_loss:
        return settle(ended(evse, "PowerLoss"))
    if session.phase is Phase.ENDED:
        return settle(evse)
    return settle(replace(evse, session=replace(session, handshake_left_s=evse.spec.handshake_s)))
