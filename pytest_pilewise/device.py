"""A real pile at a host or serial port, read by its profile as the agent reads it.

Whatever needs hands (a car, a fault) is asked of the hooks in `hooks.py`; where nobody answers,
the test is skipped and says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from edge_agent.core.faults import MREC_NAMES
from edge_agent.core.probe import Fit, weigh
from edge_agent.core.profile import Profile
from edge_agent.core.reading import EvseStatus, IecState, OcppStatus, Reading
from edge_agent.piles.modbus_survey import Surveyor, Target, Unreachable
from edge_agent.piles.modbus_wire import WireError
from edge_agent.profiles import load_profile, profile_names
from pytest_pilewise.clock import BenchClock
from pytest_pilewise.device_write import write_registers
from pytest_pilewise.errors import DeviceSilent
from pytest_pilewise.models import profile_of
from pytest_pilewise.pile import Pile
from pytest_pilewise.process import toml
from pytest_pilewise.states import KnownFault, PileState, Plug, Register

_WORDS = {
    EvseStatus.AVAILABLE: "Available",
    EvseStatus.RESERVED: "Reserved",
    EvseStatus.INOPERATIVE: "Unavailable",
    EvseStatus.OUTOFORDER: "Faulted",
    EvseStatus.UNKNOWN: "Unknown",
}
_OCPP_WORDS = {
    OcppStatus.PREPARING: "Preparing",
    OcppStatus.CHARGING: "Charging",
    OcppStatus.SUSPENDED_EVSE: "SuspendedEVSE",
    OcppStatus.SUSPENDED_EV: "SuspendedEV",
    OcppStatus.FINISHING: "Finishing",
}
Ask = Callable[[str, dict[str, Any]], bool]


class DevicePile(Pile):
    """One real pile. `ask(hook, arguments)` tells whether somebody did what was asked."""

    def __init__(self, profile: Profile, target: Target, clock: BenchClock, ask: Ask) -> None:
        super().__init__("REAL-01", profile.profile_id, clock)
        self.profile = profile
        self.target = target
        self.where = target.serial or target.host
        self._ask = ask
        self._plugged: set[int] = set()
        self._broken = False

    def check(self, settings: dict[str, Any]) -> None:
        """Skips a test that wants another pile than the one on the bench."""
        wanted = settings.get("model", self.model)
        if profile_of(wanted) != self.model:
            pytest.skip(f"the test wants a {wanted}; the real pile is a {self.model}")
        plugs = max(1, len(self.profile.connectors))
        if settings.get("connectors", 1) > plugs:
            pytest.skip(f"the test wants {settings['connectors']} plugs; {self.model} has {plugs}")

    @property
    def plug(self) -> Plug:
        """What plugs it has, as its profile says."""
        plugs = self.profile.connectors
        if not plugs:
            return Plug("IEC_62196_T2", self.profile.power_type or "AC_3_PHASE", 11.0)
        return Plug(plugs[0].standard, self.profile.power_type, plugs[0].max_power_kw, len(plugs))

    def state_of(self, evse: int) -> PileState:
        """How a plug stands, read now; raises DeviceSilent."""
        return state_of(self._read().readings[evse - 1], self.evse_id(evse))

    def plug_in(self, *, evse: int = 1, **wishes: Any) -> PileState:
        """Has somebody connect a car; skips where nobody does. The state after."""
        self._plugged.add(evse)
        self._have("pytest_pilewise_plug", "connect a car", plugged=True, wishes=wishes)
        return self.state_of(evse)

    def unplug(self, *, evse: int = 1) -> PileState:
        """Has somebody take the cable out; skips where nobody does. The state after."""
        self._have("pytest_pilewise_plug", "take the cable out", plugged=False, wishes={})
        self._plugged.discard(evse)
        return self.state_of(evse)

    def inject(self, fault: str, *, duration_s: float = 0.0, evse: int = 1) -> PileState:
        """Has somebody break it; skips where nobody can. The state after."""
        self._broken = True
        self._have("pytest_pilewise_break", f"cause {fault}", fault=fault, broken=True)
        return self.state_of(evse)

    def clear(self, fault: str = "", *, evse: int = 1) -> PileState:
        """Has somebody mend it; skips where nobody can. The state after."""
        what = f"mend {fault or 'everything'}"
        self._have("pytest_pilewise_break", what, fault=fault, broken=False)
        self._broken = bool(fault)
        return self.state_of(evse)

    def set_input(
        self, name: str, value: float | None, *, over_s: float = 0.0, evse: int = 1
    ) -> PileState:
        """Has somebody set it, told as the fault `name=value`; skips where nobody can."""
        self._broken = True
        told = "nominal" if value is None else f"{value:g}"
        self._have("pytest_pilewise_break", f"set {name} to {told}", fault=f"{name}={told}",
                   broken=value is not None)  # fmt: skip
        return self.state_of(evse)

    def press_emergency_stop(self, pressed: bool = True) -> PileState:
        """Has somebody press or release it; skips where nobody does."""
        self._broken = pressed
        what = f"{'press' if pressed else 'release'} the emergency stop"
        self._have("pytest_pilewise_break", what, fault="EmergencyStop", broken=pressed)
        return self.state

    def set_power(self, on: bool) -> PileState:
        """Has somebody cut or restore its power; skips where nobody does."""
        self._broken = not on
        what = f"{'restore' if on else 'cut'} its power"
        self._have("pytest_pilewise_break", what, fault="PowerLoss", broken=not on)
        return self.state

    def known_faults(self) -> Sequence[KnownFault]:
        """What the profile can tell, by name."""
        return [KnownFault(name, code) for code, name in MREC_NAMES.items()]

    def registers(self) -> Sequence[Register]:
        """Every point of the profile that the device answers, read now."""
        return [
            Register(
                address=one.span.address,
                name=one.point.name if one.connector == 1 else f"{one.point.name}_{one.connector}",
                words=one.words,
                value=one.value if one.value is not None else "",
                unit=one.unit,
                function=one.span.function,
            )
            for one in self._read().seen
            if one.words
        ]

    def write(self, address: int, words: Sequence[int]) -> None:
        """Writes words to the device; raises DeviceSilent with its exception if it refuses."""
        try:
            _run(write_registers(self.profile, self.target, address, words))
        except (OSError, TimeoutError, WireError, Unreachable) as error:
            raise DeviceSilent(self.where, f"write to 0x{address:04x}: {error}") from error
        self.trace.did(f"write {list(words)} to 0x{address:04x}")

    def agent_table(self) -> str:
        """The `[[pile]]` table by which an agent reads this device, TOML."""
        target, lines = self.target, [f"uid = {toml(self.pile_id)}"]
        lines.append(f"profile = {toml(self.model)}")
        if target.serial:
            lines += ['transport = "modbus-rtu"', f"serial_line = {toml(target.serial)}"]
        else:
            lines.append(f"host = {toml(target.host)}")
            lines += [f"port = {target.port}"] if target.port else []
        lines += [] if target.device_id is None else [f"device_id = {target.device_id}"]
        return "\n".join(["[[pile]]", *lines]) + "\n"

    def evidence(self) -> list[tuple[str, str]]:
        """The trace."""
        self.trace.sample()
        return [(f"{self.pile_id} ({self.model}) at {self.where}: trace", self.trace.text())]

    def reset(self) -> None:
        """Has undone what the test had done; a real pile cannot be put back otherwise."""
        for evse in sorted(self._plugged):
            self._ask("pytest_pilewise_plug", {"plugged": False, "wishes": {"evse": evse}})
        if self._broken:
            self._ask("pytest_pilewise_break", {"fault": "", "broken": False})
        self._plugged, self._broken = set(), False

    def close(self) -> None:
        """Nothing is kept open between two reads."""

    def _have(self, hook: str, what: str, **arguments: Any) -> None:
        __tracebackhide__ = True
        if not self._ask(hook, arguments):
            self._plugged, self._broken = set(), False
            pytest.skip(
                f"{self.where} is a real pile and nobody can {what}: "
                f"write {hook} in conftest.py, or leave --pile-host away"
            )
        self.trace.did(what)

    def _read(self) -> Fit:
        try:
            survey = _run(Surveyor(self.profile, self.target).survey())
        except Unreachable as error:
            raise DeviceSilent(self.where, str(error)) from error
        fit = weigh(self.profile, survey.words)
        if not fit.readings:
            why = "; ".join(survey.refusals.values()) or "the state cannot be read"
            raise DeviceSilent(self.where, f"no {self.model} answers: {why}")
        return fit


def state_of(reading: Reading, evse_id: str) -> PileState:
    """A reading as a test sees it. A register that shows letters only knows no Suspended."""
    values = reading.values
    in_use = reading.iec in (IecState.C, IecState.D) or (values.power_kw or 0) > 0
    word = _OCPP_WORDS.get(reading.ocpp) or _WORDS.get(reading.status)
    return PileState(
        evse_id=evse_id,
        status=word or ("Charging" if in_use else "Preparing"),
        iec=reading.iec.name if reading.iec else "",
        power_kw=values.power_kw,
        energy_kwh=values.energy_kwh,
        soc_pct=values.soc_pct,
        plugged=reading.plugged,
        faults=tuple(MREC_NAMES.get(fault.code, fault.code) for fault in reading.faults),
        temperature_c=values.temperature_c,
    )


def device_of(config: pytest.Config, clock: BenchClock) -> DevicePile:
    """The pile that the options name; raises UsageError for a profile that is none."""
    name = profile_of(config.getoption("--pile-profile") or "")
    known = [one for one in profile_names() if load_profile(one).is_modbus]
    if name not in known:
        asked = f"unknown --pile-profile {name!r}" if name else "a real pile needs --pile-profile"
        raise pytest.UsageError(f"{asked}; known: {', '.join(known)}")
    target = Target(
        host=config.getoption("--pile-host") or "",
        serial=config.getoption("--pile-serial") or "",
        port=config.getoption("--pile-port"),
        device_id=config.getoption("--pile-unit"),
    )

    def ask(hook: str, arguments: dict[str, Any]) -> bool:
        return bool(getattr(config.hook, hook)(pile=device, config=config, **arguments))

    device = DevicePile(load_profile(name), target, clock, ask)
    return device


def _run(work: Any) -> Any:
    """The result of a coroutine, also where the test runs in an event loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
