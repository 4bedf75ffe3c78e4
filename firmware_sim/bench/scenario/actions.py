"""Carries out what a step does: on the pile itself, over its wire, or from its central system.

Which words there are is in `tables.py`; when they are said is the engine's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from firmware_sim.bench.scenario import tables as say
from firmware_sim.bench.scenario.looking import field_of
from firmware_sim.bench.scenario.reading import Line
from firmware_sim.bench.scenario.world import World, connector_of
from firmware_sim.clock import utc_text
from firmware_sim.core import controller
from firmware_sim.core.battery import Battery
from firmware_sim.core.evse import Car, Evse, EvseSpec, Reservation, Supply
from firmware_sim.core.faults import FAULTS
from firmware_sim.core.wire import PREFIX, parse_wire_fault
from firmware_sim.faces.registers.map import COIL, HOLDING, INPUT

# An on-board charger loses about a tenth; a DC pile's meter counts what reaches the battery.
_AC_STORED_SHARE = 0.9
_TOKEN_WINDOW_S = 180.0


class Actions:
    """The hands of a scenario; `polls` are the masters that read again and again."""

    def __init__(self, world: World, group: asyncio.TaskGroup) -> None:
        self._world = world
        self._group = group
        self._polls: dict[str, asyncio.Task[None]] = {}

    async def do(self, line: Line) -> None:
        """Does what the step says; raises BenchError where the state does not admit it."""
        step = line.step
        await _HANDS[type(step)](self, step, line)

    def stop_polls(self) -> None:
        """Ends every polling master."""
        for task in self._polls.values():
            task.cancel()

    def _change(self, line: Line, transition: Callable[[Evse], Evse]) -> None:
        self._world.fleet.change(line.evse_id, transition)

    async def _plug(self, step: say.Plug, line: Line) -> None:
        car = car_of(step, self._world.fleet.evse(line.evse_id).spec)
        self._change(line, lambda e: controller.plug_in(e, car, step.token))

    async def _unplug(self, step: say.Unplug, line: Line) -> None:
        self._change(line, controller.unplug)

    async def _present_token(self, step: say.PresentToken, line: Line) -> None:
        self._change(line, lambda e: controller.authorise_ahead(e, step.token, step.window_s))

    async def _authorise(self, step: say.Authorise, line: Line) -> None:
        self._change(line, lambda e: controller.authorise(e, step.token))

    async def _stop(self, step: say.Stop, line: Line) -> None:
        self._change(line, lambda e: controller.stop(e, step.reason))

    async def _restart(self, step: say.Restart, line: Line) -> None:
        self._change(line, controller.restart)

    async def _inject(self, step: say.Inject, line: Line) -> None:
        for_s = step.for_s or None
        if step.fault.startswith(PREFIX):
            self._world.fleet.set_wire(line.pile_id, parse_wire_fault(step.fault, for_s))
        else:
            kind = FAULTS[step.fault]
            self._change(line, lambda e: controller.inject(e, kind, for_s))

    async def _clear(self, step: say.Clear, line: Line) -> None:
        if not step.fault or step.fault.startswith(PREFIX):
            self._world.fleet.set_wire(line.pile_id, None)
        if not step.fault.startswith(PREFIX):
            kind = FAULTS[step.fault] if step.fault else None
            self._change(line, lambda e: controller.clear(e, kind))

    async def _park(self, step: say.Park, line: Line) -> None:
        self._change(line, lambda e: controller.park(e, step.occupied, step.queue))

    async def _reserve(self, step: say.Reserve, line: Line) -> None:
        if self._by_central(line):
            until = utc_text(self._world.now_ms() + round(step.for_s * 1000))
            fields = {"idTag": step.token, "expiryDate": until, "reservationId": step.id}
            if self._speaks_201(line):
                token = {"idToken": step.token, "type": "ISO14443"}
                fields = {"id": step.id, "expiryDateTime": until, "idToken": token}
                fields["evseId"] = connector_of(line.evse_id)
            else:
                fields["connectorId"] = connector_of(line.evse_id)
            self._world.central.ask(line.pile_id, "ReserveNow", fields)
        else:
            kept = Reservation(step.id, step.token, step.for_s)
            self._change(line, lambda e: controller.reserve(e, kept))

    async def _cancel(self, step: say.Cancel, line: Line) -> None:
        if self._by_central(line):
            fields = {"reservationId": step.id}
            self._world.central.ask(line.pile_id, "CancelReservation", fields)
        else:
            self._change(line, controller.cancel_reservation)

    async def _limit(self, step: say.Limit, line: Line) -> None:
        self._change(line, lambda e: controller.set_limit(e, step.power_kw))

    async def _operative(self, step: say.Operative, line: Line) -> None:
        self._change(line, lambda e: controller.set_operative(e, step.operative))

    async def _read_register(self, step: say.ReadRegister, line: Line) -> None:
        face, master = self._world.faces[line.pile_id], self._world.masters[line.pile_id]
        field = field_of(face, step.register)
        if field is None:
            function = INPUT if INPUT in face.functions else HOLDING
            await master.read(function, int(step.register), step.count or 1)
        else:
            by_name = not str(step.register).isdecimal()
            address = field.address if by_name else int(step.register)
            count = step.count or (field.width if by_name else 1)
            await master.read(field.table, address, count)

    async def _write_register(self, step: say.WriteRegister, line: Line) -> None:
        face, master = self._world.faces[line.pile_id], self._world.masters[line.pile_id]
        field = field_of(face, step.register)
        if field is None or str(step.register).isdecimal():
            await master.write(6, int(step.register), [int(step.value) & 0xFFFF])
            return
        raw = round(step.value / field.scale)
        words = [raw >> 16 * n & 0xFFFF for n in reversed(range(field.width))]
        if field.table == COIL:
            await master.write(5, field.address, words)
        elif step.torn or (field.width == 1 and 6 in face.functions):
            for offset, word in enumerate(words):
                await master.write(6, field.address + offset, [word])
        else:
            await master.write(16, field.address, words)

    async def _poll(self, step: say.Poll, line: Line) -> None:
        await self._stop_polling(say.StopPolling(do="stop_polling"), line)
        once = say.ReadRegister(do="read_register", register=step.register)

        async def again_and_again() -> None:
            while True:
                await self._read_register(once, line)
                await asyncio.sleep(step.every_s)

        name = f"firmware_sim:master {line.pile_id}"
        self._polls[line.pile_id] = self._group.create_task(again_and_again(), name=name)

    async def _stop_polling(self, step: say.StopPolling, line: Line) -> None:
        if (task := self._polls.pop(line.pile_id, None)) is not None:
            task.cancel()

    async def _power_loss(self, step: say.PowerLoss, line: Line) -> None:
        kind = FAULTS["PowerLoss"]
        for evse in self._world.fleet.pile(line.pile_id).evses:
            self._world.fleet.change(
                evse.spec.evse_id, lambda e: controller.inject(e, kind, step.for_s)
            )

    async def _emergency_stop(self, step: say.EmergencyStop, line: Line) -> None:
        kind = FAULTS["EmergencyStop"]
        self._change(line, lambda e: controller.inject(e, kind, None))

    async def _release(self, step: say.Release, line: Line) -> None:
        kind = FAULTS["EmergencyStop"]
        self._change(line, lambda e: controller.clear(e, kind))

    async def _ask(self, step: say.Ask, line: Line) -> None:
        self._world.central.ask(line.pile_id, step.action, dict(step.payload))

    async def _remote_start(self, step: say.RemoteStart, line: Line) -> None:
        number = connector_of(line.evse_id)
        if self._speaks_201(line):
            token = {"idToken": step.token, "type": "ISO14443"}
            fields: dict[str, Any] = {"idToken": token, "evseId": number, "remoteStartId": 1}
            self._world.central.ask(line.pile_id, "RequestStartTransaction", fields)
        else:
            fields = {"idTag": step.token, "connectorId": number}
            self._world.central.ask(line.pile_id, "RemoteStartTransaction", fields)

    async def _remote_stop(self, step: say.RemoteStop, line: Line) -> None:
        running = self._world.central.running.get(line.pile_id)
        if self._speaks_201(line):
            fields: dict[str, Any] = {"transactionId": str(running)}
            self._world.central.ask(line.pile_id, "RequestStopTransaction", fields)
        else:
            fields = {"transactionId": running or 0}
            self._world.central.ask(line.pile_id, "RemoteStopTransaction", fields)

    async def _central_down(self, step: say.CentralDown, line: Line) -> None:
        self._world.central.go_down()

    async def _central_up(self, step: say.CentralUp, line: Line) -> None:
        self._world.central.come_up()

    def _by_central(self, line: Line) -> bool:
        return line.pile_id not in self._world.faces

    def _speaks_201(self, line: Line) -> bool:
        return self._world.central.speaks(line.pile_id) == "ocpp2.0.1"


def car_of(step: say.Plug, spec: EvseSpec) -> Car:
    """The car that a step describes."""
    return Car(
        battery=Battery(
            capacity_kwh=step.battery_kwh,
            soc_pct=step.soc_pct,
            max_power_kw=step.max_power_kw or spec.max_power_kw,
        ),
        target_soc_pct=step.target_soc_pct,
        stored_share=1.0 if spec.supply is Supply.DC else _AC_STORED_SHARE,
        wants_ventilation=step.ventilation,
    )


_Hand = Callable[[Actions, Any, Line], Awaitable[None]]
_HANDS: dict[type[say.Step], _Hand] = {
    kind: getattr(Actions, f"_{name}") for name, kind in say.ACTIONS.items()
}
