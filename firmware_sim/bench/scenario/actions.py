"""What hands do at a pile: plug, park, break, press, set and ramp; and who carries out each step.

Which words there are is in `tables.py`; when they are said is the engine's business; what is done
over a wire is in `outside.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from firmware_sim.bench.scenario import tables as say
from firmware_sim.bench.scenario.outside import Outside
from firmware_sim.bench.scenario.reading import Line
from firmware_sim.bench.scenario.world import World
from firmware_sim.core import controller, ocpp_faults
from firmware_sim.core.battery import Battery
from firmware_sim.core.evse import Car, Evse, EvseSpec, Supply
from firmware_sim.core.faults import fault_named
from firmware_sim.core.inputs import INPUTS, input_value
from firmware_sim.core.pile import clear_ocpp, inject_ocpp
from firmware_sim.core.wire import PREFIX, parse_wire_fault

# An on-board charger loses about a tenth; a DC pile's meter counts what reaches the battery.
_AC_STORED_SHARE = 0.9


class Actions:
    """The hands of a scenario; ramps move an input at every tick."""

    def __init__(self, world: World, group: asyncio.TaskGroup, tick_s: float) -> None:
        self._world = world
        self._group = group
        self._tick_s = tick_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._outside = Outside(world, group)

    async def do(self, line: Line) -> None:
        """Does what the step says; raises BenchError where the state does not admit it."""
        step = line.step
        hand, on_pile = _HANDS[type(step)]
        await hand(self if on_pile else self._outside, step, line)

    def stop_all(self) -> None:
        """Ends ramps, power cuts and polling masters."""
        self._outside.stop_all()
        for task in self._tasks.values():
            task.cancel()

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
        for_s, fleet = step.for_s or None, self._world.fleet
        if step.fault.startswith(PREFIX):
            fleet.set_wire(line.pile_id, parse_wire_fault(step.fault, for_s))
        elif step.fault.startswith(ocpp_faults.PREFIX):
            fault = ocpp_faults.parse_ocpp_fault(step.fault, for_s)
            fleet.put(inject_ocpp(fleet.pile(line.pile_id), fault))
        elif (kind := fault_named(step.fault)) is not None:
            self._change(line, lambda e: controller.inject(e, kind, for_s))

    async def _clear(self, step: say.Clear, line: Line) -> None:
        fleet, name = self._world.fleet, step.fault
        if not name or name.startswith(PREFIX):
            fleet.set_wire(line.pile_id, None)
        if not name or name.startswith(ocpp_faults.PREFIX):
            fault = ocpp_faults.parse_ocpp_fault(name, None) if name else None
            fleet.put(clear_ocpp(fleet.pile(line.pile_id), fault))
        kind = fault_named(name)
        if not name or kind is not None:
            self._change(line, lambda e: controller.clear(e, kind))

    async def _park(self, step: say.Park, line: Line) -> None:
        self._change(line, lambda e: controller.park(e, step.occupied, step.queue))

    async def _limit(self, step: say.Limit, line: Line) -> None:
        self._change(line, lambda e: controller.set_limit(e, step.power_kw))

    async def _operative(self, step: say.Operative, line: Line) -> None:
        self._change(line, lambda e: controller.set_operative(e, step.operative))

    async def _set(self, step: say.SetInput, line: Line) -> None:
        self._quit(f"{line.evse_id}/{step.input}")
        self._set_input(line, step.input, step.to)

    async def _ramp(self, step: say.Ramp, line: Line) -> None:
        given = input_value(self._world.fleet.evse(line.evse_id).inputs, step.input)
        start = given if step.start is None else step.start
        if start is None:
            start = INPUTS[step.input].low
        self._set_input(line, step.input, start)
        begun_s = self._world.now_s

        async def go(start: float) -> None:
            share = 0.0
            while share < 1:
                await self._world.sleep(self._tick_s)
                share = min((self._world.now_s - begun_s) / step.over_s, 1.0)
                self._set_input(line, step.input, start + (step.to - start) * share)

        self._begin(f"{line.evse_id}/{step.input}", go(start))

    async def _set_meter(self, step: say.SetMeter, line: Line) -> None:
        self._change(line, lambda e: controller.set_meter(e, step.total_wh))

    async def _power_loss(self, step: say.PowerLoss, line: Line) -> None:
        pile_id = line.pile_id
        self._on_all(pile_id, controller.lose_power)

        async def come_back() -> None:
            await self._world.sleep(step.for_s)
            self._on_all(pile_id, controller.restore_power)

        self._begin(f"{pile_id}/power", come_back())

    async def _emergency_stop(self, step: say.EmergencyStop, line: Line) -> None:
        self._change(line, controller.press_emergency_stop)

    async def _release(self, step: say.Release, line: Line) -> None:
        self._change(line, controller.release_emergency_stop)

    def _change(self, line: Line, transition: Callable[[Evse], Evse]) -> None:
        self._world.fleet.change(line.evse_id, transition)

    def _on_all(self, pile_id: str, transition: Callable[[Evse], Evse]) -> None:
        for evse in self._world.fleet.pile(pile_id).evses:
            self._world.fleet.change(evse.spec.evse_id, transition)

    def _set_input(self, line: Line, name: str, value: float | None) -> None:
        self._change(line, lambda e: controller.set_input(e, name, value))

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._quit(name)
        self._tasks[name] = self._group.create_task(work, name=f"firmware_sim:scenario {name}")

    def _quit(self, name: str) -> None:
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()


def car_of(step: say.Plug, spec: EvseSpec) -> Car:
    """The car that a step describes."""
    return Car(
        battery=Battery(
            capacity_kwh=step.battery_kwh,
            soc_pct=step.soc_pct,
            max_power_kw=step.max_power_kw or spec.max_power_kw,
            temperature_c=step.battery_c,
        ),
        target_soc_pct=step.target_soc_pct,
        stored_share=1.0 if spec.supply is Supply.DC else _AC_STORED_SHARE,
        wants_ventilation=step.ventilation,
        phases=step.phases,
    )


_Hand = Callable[[Any, Any, Line], Awaitable[None]]
_HANDS: dict[type[say.Step], tuple[_Hand, bool]] = {
    kind: (getattr(owner, f"_{name}"), owner is Actions)
    for name, kind in say.ACTIONS.items()
    for owner in (Actions, Outside)
    if hasattr(owner, f"_{name}")
}
