"""What each subject of a condition is worth now, seen from outside as its users see it.

Registers are read through the device's own map, messages as the central system got them.
"""

from __future__ import annotations

from firmware_sim.bench.scenario.central import Message
from firmware_sim.bench.scenario.condition import Value
from firmware_sim.bench.scenario.subjects import EVSE_FIELDS, Sent, at_path
from firmware_sim.bench.scenario.world import World, connector_of
from firmware_sim.core.inputs import input_value
from firmware_sim.faces.modbus import ModbusFace
from firmware_sim.faces.mqtt import bay_readings
from firmware_sim.faces.registers.map import HOLDING, INPUT, Field

_ORDERED = ("StartTransaction", "StopTransaction", "TransactionEvent")


def look(world: World, evse_id: str, subject: str) -> Value:
    """The value of `subject` for an EVSE and its pile."""
    space, dot, rest = subject.partition(".")
    if not dot:
        return EVSE_FIELDS[subject](world.fleet.evse(evse_id))
    pile_id = world.fleet.pile_id_of(evse_id)
    if space == "register":
        return register_value(world.faces[pile_id], rest, connector_of(evse_id) - 1)
    if space == "sent":
        return _sent(world, pile_id, subject)
    if space == "answer":
        action, _, path = rest.partition(".")
        answer = world.central.answer_to(pile_id, action)
        return None if answer is None else at_path(answer, path or "status")
    if space == "sensor":
        readings = bay_readings(world.fleet.evse(evse_id), world.now_ms())
        occupied, queue = readings["occupancy"]["occupied"], readings["queue"]["length"]
        return occupied if rest == "occupied" else queue
    if space == "master":
        return _master(world, pile_id, rest)
    if space == "input":
        return input_value(world.fleet.evse(evse_id).inputs, rest)
    if space == "pile":
        return _pile(world, pile_id, rest)
    return _central(world, pile_id, rest)


def field_of(face: ModbusFace, register: str | int, socket: int) -> Field | None:
    """The field of that name, or the one that holds an address; None for a bare address.

    Where sockets have fields of the same name, that of the socket counts.
    """
    if str(register).isdecimal():
        at = int(register)
        found = [f for f in face.fields if f.address <= at < f.address + f.width]
    else:
        found = [field for field in face.fields if field.name == register]
    own = [field for field in found if field.socket == socket]
    return next(iter(own or found), None)


def unit_of(face: ModbusFace, field: Field | None) -> int | None:
    """The unit id at which a field is read; None for the device's own."""
    units = face.registers.sockets.items()
    return next((unit for unit, socket in units if field and socket == field.socket), None)


def register_value(face: ModbusFace, register: str, socket: int) -> Value:
    """A field by name in its unit, or the bare word at an address."""
    field = field_of(face, register, socket)
    unit = unit_of(face, field)
    if register.isdecimal():
        table = field.table if field is not None else INPUT if 4 in face.functions else HOLDING
        return float(face.read(table, int(register), 1, unit)[0])
    if field is None or field.read is None:
        return None
    return decoded(field, face.read(field.table, field.address, field.width, unit), face)


def decoded(field: Field, words: list[int], face: ModbusFace) -> Value:
    """What the words of a field mean; texts lose their padding."""
    if field.read is not None and isinstance(field.read(face.device()), bytes):
        data = b"".join(word.to_bytes(2, "big") for word in words)
        return data.rstrip(b"\0").decode("ascii", "replace")
    return field.value(words) * field.scale


def messages_of(world: World, pile_id: str) -> list[Message]:
    """What a pile has said to the central system so far."""
    return [message for message in world.central.messages if message.pile_id == pile_id]


def _sent(world: World, pile_id: str, subject: str) -> Value:
    sent = Sent(subject)
    fitting = [
        message
        for message in messages_of(world, pile_id)
        if message.action == sent.action and sent.fits(message.payload)
    ]
    if sent.path is None:
        return float(len(fitting))
    return at_path(fitting[-1].payload, sent.path) if fitting else None


def _master(world: World, pile_id: str, name: str) -> Value:
    master = world.masters[pile_id]
    if name == "value":
        number = 0
        for word in master.words:
            number = number << 16 | word
        return float(number) if master.words else None
    value: Value = getattr(master, name)
    return value


def _pile(world: World, pile_id: str, name: str) -> Value:
    pile = world.fleet.pile(pile_id)
    if name == "wire":
        return pile.wire.name if pile.wire is not None else None
    if name == "charging":
        return float(sum(evse.power_kw > 0 for evse in pile.evses))
    if name == "meter_wh":
        return sum(evse.meter.total_wh for evse in pile.evses)
    return sum(evse.power_kw for evse in pile.evses)


def _central(world: World, pile_id: str, name: str) -> Value:
    if name == "connected":
        return world.central.is_connected(pile_id)
    if name == "connections":
        return float(world.central.connections.get(pile_id, 0))
    if name in ("displaced", "malformed"):
        return float(getattr(world.central, name))
    ordered = [m for m in messages_of(world, pile_id) if m.action in _ORDERED]
    if name == "repeated":
        return float(len(ordered) - len({message.unique_id for message in ordered}))
    stamps = [str(message.payload.get("timestamp", "")) for message in ordered]
    return stamps == sorted(stamps)
