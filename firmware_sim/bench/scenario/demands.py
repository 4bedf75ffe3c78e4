"""The words of a scenario file but for its actions: the head, waits, demands and marks.

What can be done is in `tables.py`; what the words mean is carried out in `engine.py`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from firmware_sim.config_tables import NotNegative, Positive


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
