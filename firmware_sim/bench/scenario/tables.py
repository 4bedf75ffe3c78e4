"""The actions of a scenario file: one struct each, with its keys, ranges and defaults.

Waits and demands are in `demands.py`; what an action does is in `actions.py` and `outside.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from firmware_sim.bench.scenario.demands import (
    Always,
    Do,
    Expect,
    Head,
    Never,
    Remember,
    Step,
    WaitFor,
    WaitUntil,
)
from firmware_sim.config_tables import NotNegative, Positive

__all__ = [
    "ACTIONS",
    "VERBS",
    "Always",
    "Do",
    "Expect",
    "Head",
    "Never",
    "Remember",
    "Step",
    "WaitFor",
    "WaitUntil",
]

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Token = Annotated[str, msgspec.Meta(max_length=20)]


class Plug(Do, frozen=True, kw_only=True):
    """A car comes; an empty token asks for free vending, `max_power_kw` 0 takes what is given.

    `battery_c` left away is a battery as warm as the air.
    """

    battery_kwh: Positive = 60.0
    soc_pct: Percent = 20.0
    target_soc_pct: Percent = 80.0
    max_power_kw: NotNegative = 0.0
    token: Token = ""
    ventilation: bool = False
    phases: Literal[1, 3] = 3
    battery_c: float | None = None


class Unplug(Do, frozen=True, kw_only=True):
    """The cable comes out."""


class PresentToken(Do, frozen=True, kw_only=True):
    """A driver shows a token before or after plugging in; it waits for the cable."""

    token: Token
    window_s: Positive = 180.0


class Authorise(Do, frozen=True, kw_only=True):
    """Somebody accepts a token."""

    token: Token = ""


class Stop(Do, frozen=True, kw_only=True):
    """The transaction ends; reasons are those of OCPP 1.6."""

    reason: str = "Local"


class Restart(Do, frozen=True, kw_only=True):
    """The start button is pressed again."""


class Inject(Do, frozen=True, kw_only=True):
    """A fault begins: an MREC name, `wire:...` or `ocpp:...`; `for_s` 0 is until cleared."""

    fault: str
    for_s: NotNegative = 0.0


class Clear(Do, frozen=True, kw_only=True):
    """A fault ends; without a name all of the EVSE, its wire and its OCPP line."""

    fault: str = ""


class Park(Do, frozen=True, kw_only=True):
    """Something is put into the bay or taken out, and the queue is counted."""

    occupied: bool = True
    queue: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None


class Reserve(Do, frozen=True, kw_only=True):
    """The EVSE is kept for a token; OCPP piles are asked by their central system."""

    token: Token
    for_s: Positive
    id: int = 1


class Cancel(Do, frozen=True, kw_only=True):
    """A reservation is taken back, the same way."""

    id: int = 1


class Limit(Do, frozen=True, kw_only=True):
    """A master asks for at most so much power; without a figure the limit goes."""

    power_kw: NotNegative | None = None


class Operative(Do, frozen=True, kw_only=True):
    """The EVSE is put in or out of service."""

    operative: bool


class WriteRegister(Do, frozen=True, kw_only=True):
    """A master writes a register by name (in its unit) or address (raw).

    `torn` sends a wide one as single registers, as some libraries do.
    """

    register: str | int
    value: float
    torn: bool = False


class ReadRegister(Do, frozen=True, kw_only=True):
    """A master reads a register by name or address, over the wire; see `master.outcome`."""

    register: str | int
    count: Annotated[int, msgspec.Meta(ge=0, le=2000)] = 0


class Poll(Do, frozen=True, kw_only=True):
    """A master reads a register again and again from now on."""

    register: str | int
    every_s: Positive = 10.0


class StopPolling(Do, frozen=True, kw_only=True):
    """The master falls silent."""


class SetInput(Do, frozen=True, kw_only=True):
    """An input of the EVSE is set; without `to` it is what it was at first."""

    input: str
    to: float | None = None


class Ramp(Do, frozen=True, kw_only=True):
    """An input moves in a straight line, from `start` or from where it is."""

    input: str
    to: float
    over_s: Positive
    start: float | None = None


class SetMeter(Do, frozen=True, kw_only=True):
    """The meter stands at another figure, as after an exchange."""

    total_wh: NotNegative


class PowerLoss(Do, frozen=True, kw_only=True):
    """The mains go; they come back after `for_s`."""

    for_s: Positive = 60.0


class EmergencyStop(Do, frozen=True, kw_only=True):
    """The button is pressed and stays in."""


class Release(Do, frozen=True, kw_only=True):
    """The emergency button is pulled out again."""


class Ask(Do, frozen=True, kw_only=True):
    """The central system sends a call of its own; see `answer.<action>`."""

    action: str
    payload: dict[str, Any] = msgspec.field(default_factory=dict)


class RemoteStart(Do, frozen=True, kw_only=True):
    """The central system lets a driver begin."""

    token: Token


class RemoteStop(Do, frozen=True, kw_only=True):
    """The central system ends the running transaction."""


class CentralDown(Do, frozen=True, kw_only=True):
    """The central system goes away and takes no connections."""


class CentralUp(Do, frozen=True, kw_only=True):
    """The central system is back."""


ACTIONS: dict[str, type[Do]] = {
    "plug": Plug,
    "unplug": Unplug,
    "present_token": PresentToken,
    "authorise": Authorise,
    "stop": Stop,
    "restart": Restart,
    "inject": Inject,
    "clear": Clear,
    "park": Park,
    "reserve": Reserve,
    "cancel": Cancel,
    "limit": Limit,
    "operative": Operative,
    "write_register": WriteRegister,
    "read_register": ReadRegister,
    "poll": Poll,
    "stop_polling": StopPolling,
    "set": SetInput,
    "ramp": Ramp,
    "set_meter": SetMeter,
    "power_loss": PowerLoss,
    "emergency_stop": EmergencyStop,
    "release": Release,
    "ask": Ask,
    "remote_start": RemoteStart,
    "remote_stop": RemoteStop,
    "central_down": CentralDown,
    "central_up": CentralUp,
}

VERBS: dict[str, type[Step]] = {
    "do": Do,
    "wait_s": WaitFor,
    "wait_until": WaitUntil,
    "expect": Expect,
    "never": Never,
    "always": Always,
    "remember": Remember,
}
