"""A pile as a test sees it: plug in, break, read, expect. The same for simulated and real ones.

What each does with a request is in `simulated.py` and `device.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from pytest_pilewise.clock import BenchClock
from pytest_pilewise.expectation import wait_until
from pytest_pilewise.register_trace import RegisterTrace
from pytest_pilewise.states import KnownFault, PileState, Plug, Register


class Pile(ABC):
    """One pile. `evse` counts its plugs from 1; times are seconds of the bench's clock.

    `record` takes name and value for the test's report.
    """

    def __init__(self, pile_id: str, model: str, clock: BenchClock) -> None:
        self.pile_id = pile_id
        self.model = model
        self.clock = clock
        self.record: Callable[[str, object], None] = lambda name, value: None
        self.trace = RegisterTrace(pile_id, lambda: clock.now_ms, self._look)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.pile_id} ({self.model})>"

    def evse_id(self, evse: int = 1) -> str:
        """The name of a plug, e.g. `P-01*1`."""
        return f"{self.pile_id}*{evse}"

    @property
    def state(self) -> PileState:
        """How the first plug stands now."""
        return self.state_of(1)

    @property
    @abstractmethod
    def plug(self) -> Plug:
        """What plugs it has."""

    @abstractmethod
    def state_of(self, evse: int) -> PileState:
        """How a plug stands now."""

    @abstractmethod
    def plug_in(
        self,
        *,
        soc_pct: float = 50.0,
        target_soc_pct: float = 80.0,
        battery_kwh: float = 60.0,
        max_power_kw: float = 0.0,
        id_token: str = "",
        wants_ventilation: bool = False,
        evse: int = 1,
    ) -> PileState:
        """Connects a car; the state after. `max_power_kw` 0 means as much as the pile gives."""

    @abstractmethod
    def unplug(self, *, evse: int = 1) -> PileState:
        """Takes the cable out; the state after."""

    @abstractmethod
    def inject(self, fault: str, *, duration_s: float = 0.0, evse: int = 1) -> PileState:
        """Breaks something, by its MREC name or as `wire:...`; 0 s means until it is cleared."""

    @abstractmethod
    def clear(self, fault: str = "", *, evse: int = 1) -> PileState:
        """Mends one fault, or all; the state after."""

    @abstractmethod
    def set_input(
        self, name: str, value: float | None, *, over_s: float = 0.0, evse: int = 1
    ) -> PileState:
        """Sets what acts from outside (`residual_dc_ma`, `contactor_welded`, ...) in its unit.

        None is nominal again; `over_s` moves it there in so many seconds. The state after.
        """

    @abstractmethod
    def press_emergency_stop(self, pressed: bool = True) -> PileState:
        """Presses the emergency stop of the pile, or releases it; the state of the first plug."""

    @abstractmethod
    def set_power(self, on: bool) -> PileState:
        """Cuts or restores the power of the pile; it then starts for some seconds."""

    @abstractmethod
    def known_faults(self) -> Sequence[KnownFault]:
        """What can be injected."""

    @abstractmethod
    def registers(self) -> Sequence[Register]:
        """The whole register map, field by field; empty for a pile that has none."""

    @abstractmethod
    def write(self, address: int, words: Sequence[int]) -> None:
        """Writes words from a zero-based address on, as a Modbus master would."""

    @abstractmethod
    def agent_table(self) -> str:
        """The `[[pile]]` table by which an agent reads this pile, TOML."""

    @abstractmethod
    def evidence(self) -> list[tuple[str, str]]:
        """What a failed test's report should show: titles and texts."""

    @abstractmethod
    def reset(self) -> None:
        """Puts everything back to nominal: no car, no fault, no limit."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of the pile."""

    def register(self, name: str) -> Register:
        """The register field of that name; raises KeyError listing the names."""
        found = {register.name: register for register in self.registers()}
        if name not in found:
            raise KeyError(f"{self.pile_id} has no register {name!r}; known: {', '.join(found)}")
        return found[name]

    def expect(
        self,
        *,
        within_s: float,
        status: str | tuple[str, ...] | None = None,
        fault: str | None = None,
        evse: int = 1,
        **conditions: Any,
    ) -> float:
        """Seconds until the pile is as expected; raises NotMet after `within_s`.

        `status` is OCPP 1.6's word (or OCPI's), `fault` a name that must be among the faults. Other
        conditions are fields of `PileState`: a value, a tuple of allowed values, or a function,
        e.g. `power_kw=lambda kw: kw > 3`.
        """
        __tracebackhide__ = True
        wanted = {"status": status, "fault": fault, **conditions}
        wanted = {name: value for name, value in wanted.items() if value is not None}

        known: list[PileState] = []

        def read() -> PileState:
            state = self.state_of(evse)
            # Registers that only count along are no news, and reading them all takes a while.
            steady = state.steady()
            if known != [steady]:
                known[:] = [steady]
                self.trace.sample()
            return state

        self.trace.did(f"expect {wanted} within {within_s:g} s")
        seek = self._seeker(evse)
        took_s = wait_until(self.evse_id(evse), read, wanted, within_s, self.clock, seek)
        self.trace.did(f"met after {took_s:.2f} s")
        return took_s

    def _seeker(self, evse: int) -> Callable[[float], None] | None:
        """Lets time pass up to the plug's next change; None where only looking tells."""
        return None

    def _look(self) -> Sequence[Register]:
        return self.registers()
