"""Piles that are broken where others see them: registers, messages, sensors, the wire.

What is broken inside is in `mutations_pile.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ocpp.v16.enums import ReservationStatus

from firmware_sim.bench.scenario.mutation import Mutation, nothing
from firmware_sim.bench.scenario.patching import changed, replaced, wrapped
from firmware_sim.clock import utc_text
from firmware_sim.core import wire
from firmware_sim.faces import (
    modbus,
    modbus_connection,
    modbus_frames,
    mqtt,
    ocpp_line,
    ocpp_stamps,
)
from firmware_sim.faces.ocpp16 import outbox, station
from firmware_sim.faces.registers import halves
from firmware_sim.faces.registers import map as register_map


def _newest_first(queue: Any, item: Any) -> None:
    if hasattr(item, "transaction"):
        item.fields["seq_no"] = item.transaction.next_seq
        item.transaction.next_seq += 1
    queue._entries.appendleft(item)


def _unspoiled(original: Any, framer: Any, answer: Any, fault: Any) -> Any:
    return original(framer, answer, None)


def _in_no_time(original: Any, text: str, remaining_s: float | None) -> Any:
    return replace(original(text, remaining_s), delay_s=0.0)


def _right_clock(original: Any, habits: Any, now_ms: Any) -> Any:
    return lambda: utc_text(now_ms())


OF_THE_FACES: Final = (
    Mutation(
        "watchdog-never-bites",
        "a silent master is not noticed",
        ("failsafe-watchdog", "set-point-expiry"),
        lambda: changed(modbus.ModbusFace, "watch_master", nothing),
    ),
    Mutation(
        "reservation-never-refused",
        "a place is kept whatever stands there",
        ("reservation-refused",),
        lambda: replaced(station._reservable, lambda *_: ReservationStatus.accepted),
    ),
    Mutation(
        "sensor-stuck",
        "the bay sensor says empty for ever",
        ("ice-blocked-bay", "overstay"),
        lambda: wrapped(
            mqtt.bay_readings,
            lambda original, evse, at_ms: original(
                replace(evse, parked=False, car=None, queue_length=0), at_ms
            ),
        ),
    ),
    Mutation(
        "frames-never-spoiled",
        "what should arrive damaged arrives whole",
        ("crc-error", "busy-device"),
        lambda: wrapped(modbus_frames.frame, _unspoiled),
    ),
    Mutation(
        "never-silent",
        "a dead wire answers",
        ("half-open", "power-loss"),
        lambda: changed(modbus_connection, "_MUTE", ()),
    ),
    Mutation(
        "replies-never-late",
        "what should arrive late arrives at once",
        ("late-reply",),
        lambda: wrapped(wire.parse_wire_fault, _in_no_time),
    ),
    Mutation(
        "never-hangs-up",
        "a forbidden register does not cost the connection",
        ("forbidden-register",),
        lambda: changed(register_map.RegisterMap, "hangs_up_on", lambda *_: False),
    ),
    Mutation(
        "halves-never-joined",
        "half of a value is taken for all of it",
        ("torn-write",),
        lambda: changed(
            halves.HalfWrites, "take", lambda self, d, f, address, words, s: (address, words)
        ),
    ),
    Mutation(
        "queue-forgets",
        "what cannot be told at once is never told",
        ("offline-queue", "happy-ac"),
        lambda: changed(outbox.Outbox, "put", nothing),
    ),
    Mutation(
        "queue-reversed",
        "the newest is told first",
        ("offline-queue",),
        lambda: changed(outbox.Outbox, "put", _newest_first),
    ),
    Mutation(
        "wire-never-breaks",
        "a pulled network cable changes nothing",
        ("link-lost", "duplicate-identity"),
        lambda: changed(ocpp_line.KeptLine, "_wire_changed", nothing),
    ),
    Mutation(
        "clock-always-right",
        "a pile that lost its clock stamps rightly",
        ("wrong-clock",),
        lambda: wrapped(ocpp_stamps.stamp_writer, _right_clock),
    ),
)
