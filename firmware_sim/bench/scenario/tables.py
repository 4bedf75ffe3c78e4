"""The words of a scenario file: its head, what can be done, awaited and demanded.

What the words do is in `actions.py` and `engine.py`; how a file is checked is in `reading.py`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from firmware_sim.config_tables import NotNegative, Positive

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Token = Annotated[str, msgspec.Meta(max_length=20)]


class Head(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[scenario]`: what it shows and how finely it is watched.

    `tick_s` is how often states are looked at. `refused_tokens` are drivers whom the central
    system turns away.
    """

    title: Annotated[str, msgspec.Meta(min_length=1)]
    disturbance: str = ""
    requirement: str = ""
    tick_s: Annotated[float, msgspec.Meta(ge=0.01, le=60)] = 1.0
    refused_tokens: list[str] = []


class Step(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What every step may say: which EVSE (the first, if none) and why."""

    evse: str = ""
    note: str = ""


class WaitFor(Step, frozen=True, kw_only=True):
    """`wait_s`: lets time pass."""

    wait_s: NotNegative


class WaitUntil(Step, frozen=True, kw_only=True):
    """`wait_until`: lets time pass until a condition holds; a miss fails the scenario."""

    wait_until: str
    within_s: Positive = 3600.0


class Expect(Step, frozen=True, kw_only=True):
    """`expect`: a condition that must hold by a deadline, and then stay."""

    expect: str
    within_s: NotNegative = 0.0
    holds_for_s: NotNegative = 0.0


class Never(Step, frozen=True, kw_only=True):
    """`never`: a condition that must not hold from here on, for a time or to the end."""

    never: str
    for_s: NotNegative = 0.0


class Always(Step, frozen=True, kw_only=True):
    """`always`: a condition that must hold from here on, for a time or to the end."""

    always: str
    for_s: NotNegative = 0.0


class Remember(Step, frozen=True, kw_only=True):
    """`remember`: keeps the values of now under a name, for `@name` in later conditions."""

    remember: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")]


class Do(Step, frozen=True, kw_only=True):
    """Something is done to a pile, a car, a bay or a wire."""

    do: str


class Plug(Do, frozen=True, kw_only=True):
    """A car comes; an empty token asks for free vending, `max_power_kw` 0 takes what is given."""

    battery_kwh: Positive = 60.0
    soc_pct: Percent = 20.0
    target_soc_pct: Percent = 80.0
    max_power_kw: NotNegative = 0.0
    token: Token = ""
    ventilation: bool = False


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
    """A fault begins: an MREC name, or `wire:...`; `for_s` 0 is until it is cleared."""

    fault: str
    for_s: NotNegative = 0.0


class Clear(Do, frozen=True, kw_only=True):
    """A fault ends; without a name all of the EVSE and of the wire."""

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
    payload: dict[str, Any] = {}


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
