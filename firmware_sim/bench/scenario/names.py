"""Which names a scenario may use, given its piles: EVSEs, registers, faults, subjects.

Only names are checked here; what they are worth is in `world.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from firmware_sim.bench.scenario import tables as say
from firmware_sim.bench.scenario.subjects import (
    CENTRAL_FIELDS,
    EVSE_FIELDS,
    MASTER_FIELDS,
    MESSAGES,
    PILE_FIELDS,
    SENSOR_FIELDS,
    Sent,
    unknown,
)
from firmware_sim.config_tables import PileConfig
from firmware_sim.core import ocpp_faults
from firmware_sim.core.faults import FAULTS, fault_named
from firmware_sim.core.inputs import INPUTS, NOMINAL, with_input
from firmware_sim.core.wire import EVERYWHERE, PREFIX, parse_wire_fault
from firmware_sim.errors import BadArgumentError
from firmware_sim.faces.registers.map import Field
from firmware_sim.faces.registers.models import REGISTER_MAPS

_ON_REGISTERS = say.WriteRegister | say.ReadRegister | say.Poll
_BY_CENTRAL = say.Ask | say.RemoteStart | say.RemoteStop | say.CentralDown | say.CentralUp
Problem = tuple[str, str, str]


class Names:
    """The names of one scenario."""

    def __init__(self, piles: Sequence[PileConfig]) -> None:
        self._piles = {pile.spec.pile_id: pile for pile in piles}
        self.pile_of = {
            f"{pile.spec.pile_id}*{number}": pile.spec.pile_id
            for pile in piles
            for number in range(1, pile.spec.evse_count + 1)
        }
        self._fields: dict[str, dict[str, Field]] = {
            pile.spec.pile_id: {
                field.name: field for field in REGISTER_MAPS[pile.spec.model](pile.spec).fields
            }
            for pile in piles
            if pile.table.face == "modbus"
        }

    @property
    def evse_ids(self) -> list[str]:
        """All EVSEs."""
        return list(self.pile_of)

    def evse_id(self, name: str) -> str | None:
        """The EVSE of that name, the first for an empty one; a pile's name is its first EVSE."""
        if not name:
            return self.evse_ids[0]
        if name in self._piles:
            return f"{name}*1"
        return name if name in self.pile_of else None

    def problems(self, step: say.Do, pile_id: str) -> Iterator[Problem]:
        """What is wrong with an action on a pile, as (key, problem, hint)."""
        face = self._piles[pile_id].table.face
        if isinstance(step, _ON_REGISTERS):
            yield from self._register_problems(step.register, pile_id)
        if isinstance(step, say.StopPolling) and face != "modbus":
            yield ("do", f"{pile_id} has no registers", 'give the pile face = "modbus"')
        if isinstance(step, _BY_CENTRAL) and face == "modbus":
            yield ("do", f"{pile_id} has no central system", 'give the pile face = "ocpp16"')
        if isinstance(step, say.Inject | say.Clear) and step.fault:
            yield from self._fault_problems(step.fault, face)
        if isinstance(step, say.SetInput | say.Ramp):
            yield from _input_problems(step)

    def subject_problem(self, subject: str, pile_id: str) -> tuple[str, str] | None:
        """What is wrong with a subject of a condition, as (problem, hint); None if nothing."""
        space, dot, rest = subject.partition(".")
        if not dot:
            if subject in EVSE_FIELDS:
                return None
            return (f"unknown field {subject!r}", unknown(subject, EVSE_FIELDS))
        if space in ("register", "master") and pile_id not in self._fields:
            return (f"{pile_id} has no registers", 'give the pile face = "modbus"')
        if space == "register":
            return next(((p, hint) for _, p, hint in self._register_problems(rest, pile_id)), None)
        if space == "sent":
            return _message_problem(subject)
        plain = {
            "pile": PILE_FIELDS,
            "master": MASTER_FIELDS,
            "sensor": SENSOR_FIELDS,
            "central": CENTRAL_FIELDS,
        }
        if space in plain:
            fields = plain[space]
            return None if rest in fields else (f"unknown {subject!r}", unknown(rest, fields))
        if space == "input":
            return None if rest in INPUTS else (f"unknown input {rest!r}", unknown(rest, INPUTS))
        if space == "answer":
            return None
        spaces = ("register", "sent", "answer", "input", *plain)
        return (f"unknown subject {subject!r}", unknown(space, spaces))

    def _register_problems(self, register: str | int, pile_id: str) -> Iterator[Problem]:
        fields = self._fields.get(pile_id)
        if fields is None:
            yield ("register", f"{pile_id} has no registers", 'give the pile face = "modbus"')
        elif not str(register).isdecimal() and register not in fields:
            hint = unknown(str(register), fields)
            yield ("register", f"no register {register!r} on {pile_id}", hint)

    def _fault_problems(self, name: str, face: str) -> Iterator[Problem]:
        on_wire, on_line = name.startswith(PREFIX), name.startswith(ocpp_faults.PREFIX)
        if not on_wire and not on_line:
            if fault_named(name) is None:
                yield ("fault", f"unknown fault {name!r}", unknown(name, FAULTS))
            return
        if on_line and face == "modbus":
            yield ("fault", f"{name} is a fault of OCPP piles", 'give the pile face = "ocpp16"')
            return
        try:
            if on_line:
                ocpp_faults.parse_ocpp_fault(name, None)
                return
            fault = parse_wire_fault(name, None)
        except ValueError as error:
            yield ("fault", str(error), "")
            return
        if face != "modbus" and fault.kind not in EVERYWHERE:
            yield ("fault", f"{PREFIX}{fault.kind} is a fault of Modbus piles", "")


def _input_problems(step: say.SetInput | say.Ramp) -> Iterator[Problem]:
    if step.input not in INPUTS:
        yield ("input", f"unknown input {step.input!r}", unknown(step.input, INPUTS))
        return
    ends = {"to": step.to, "start": step.start if isinstance(step, say.Ramp) else None}
    for key, value in ends.items():
        try:
            with_input(NOMINAL, step.input, value)
        except BadArgumentError as error:
            yield (key, str(error), "")


def _message_problem(subject: str) -> tuple[str, str] | None:
    try:
        sent = Sent(subject)
    except ValueError as error:
        return (str(error), "")
    if sent.action not in MESSAGES:
        return (f"unknown message {sent.action!r}", unknown(sent.action, MESSAGES))
    return None
