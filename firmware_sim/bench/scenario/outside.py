"""What masters and central systems do to a pile: over its wire or its line, never directly.

What hands do at the pile itself is in `actions.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from firmware_sim.bench.scenario import tables as say
from firmware_sim.bench.scenario.looking import field_of, unit_of
from firmware_sim.bench.scenario.reading import Line
from firmware_sim.bench.scenario.world import World, connector_of
from firmware_sim.clock import utc_text
from firmware_sim.core import controller
from firmware_sim.core.evse import Evse, Reservation
from firmware_sim.faces.registers.map import COIL, HOLDING, INPUT
from firmware_sim.faces.registers.words import to_words


class Outside:
    """The masters and the central system of a scenario."""

    def __init__(self, world: World, group: asyncio.TaskGroup) -> None:
        self._world = world
        self._group = group
        self._polls: dict[str, asyncio.Task[None]] = {}

    def stop_all(self) -> None:
        """Ends every polling master."""
        for task in self._polls.values():
            task.cancel()

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

    async def _read_register(self, step: say.ReadRegister, line: Line) -> None:
        face, master = self._world.faces[line.pile_id], self._world.masters[line.pile_id]
        field = field_of(face, step.register, connector_of(line.evse_id) - 1)
        unit = unit_of(face, field)
        if field is None:
            function = INPUT if INPUT in face.functions else HOLDING
            await master.read(function, int(step.register), step.count or 1)
        else:
            by_name = not str(step.register).isdecimal()
            address = field.address if by_name else int(step.register)
            count = step.count or (field.width if by_name else 1)
            await master.read(field.table, address, count, unit)

    async def _write_register(self, step: say.WriteRegister, line: Line) -> None:
        face, master = self._world.faces[line.pile_id], self._world.masters[line.pile_id]
        field = field_of(face, step.register, connector_of(line.evse_id) - 1)
        unit = unit_of(face, field)
        if field is None or str(step.register).isdecimal():
            await master.write(6, int(step.register), [int(step.value) & 0xFFFF], unit)
            return
        raw = step.value / field.scale
        words = to_words(raw, field.width, field.form, field.low_word_first, field.swapped_bytes)
        if field.table == COIL:
            await master.write(5, field.address, words, unit)
        elif step.torn or (field.width == 1 and 6 in face.functions):
            for offset, word in enumerate(words):
                await master.write(6, field.address + offset, [word], unit)
        else:
            await master.write(16, field.address, words, unit)

    async def _poll(self, step: say.Poll, line: Line) -> None:
        await self._stop_polling(say.StopPolling(do="stop_polling"), line)
        once = say.ReadRegister(do="read_register", register=step.register)

        async def again_and_again() -> None:
            while True:
                await self._read_register(once, line)
                await self._world.sleep(step.every_s)

        name = f"firmware_sim:master {line.pile_id}"
        self._polls[line.pile_id] = self._group.create_task(again_and_again(), name=name)

    async def _stop_polling(self, step: say.StopPolling, line: Line) -> None:
        if (task := self._polls.pop(line.pile_id, None)) is not None:
            task.cancel()

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
            fields: dict[str, Any] = {"transactionId": str(running or "")}
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

    def _change(self, line: Line, transition: Callable[[Evse], Evse]) -> None:
        self._world.fleet.change(line.evse_id, transition)
