"""Maximum detection time: one fault, how soon it has to be seen, and a test for each.

Times are the bench's clock: simulated seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from pytest_pilewise.pile import Pile


class Observer(Protocol):
    """Whoever has to see the fault: an agent or a coordinator under test."""

    def expect(self, pile: Pile, *, within_s: float, **conditions: Any) -> float:
        """Seconds until it sees the pile so; raises NotMet."""
        ...


@dataclass(frozen=True, slots=True)
class Detection:
    """A fault by its name, and the seconds within which the pile has to show `status`.

    `error` is the OCPP error that it has to show; empty means any.
    """

    fault: str
    within_s: float
    status: str = "Faulted"
    error: str = ""

    def check(self, pile: Pile, by: Observer | None = None) -> float:
        """Seconds until the fault is seen, by the pile itself or by `by`; raises NotMet.

        The time goes into the report as the property `detection_s[FAULT]`.
        """
        __tracebackhide__ = True
        pile.inject(self.fault)
        wanted: dict[str, Any] = {"status": self.status}
        if self.error:
            wanted["error"] = self.error
        if by is None:
            took_s = pile.expect(within_s=self.within_s, **wanted)
        else:
            took_s = by.expect(pile, within_s=self.within_s, **wanted)
        pile.record(f"detection_s[{self.fault}]", round(took_s, 3))
        pile.record(f"max_detection_s[{self.fault}]", self.within_s)
        return took_s


def detection_cases(
    cases: Mapping[str, float] | Iterable[Detection], *, status: str = "Faulted"
) -> pytest.MarkDecorator:
    """A test for each case, which takes it as `detection`; a mapping is fault to seconds.

    Use it as a decorator: `@detection_cases({"GroundFailure": 0.5, "HighTemperature": 5})`.
    """
    if isinstance(cases, Mapping):
        cases = [Detection(fault, within_s, status) for fault, within_s in cases.items()]
    listed = list(cases)
    return pytest.mark.parametrize("detection", listed, ids=[case.fault for case in listed])


def marked_cases(marks: Iterable[pytest.Mark]) -> list[Detection]:
    """The cases that `max_detection` marks name, topmost first; raises TypeError for a bad one."""
    cases = []
    for mark in marks:
        if mark.args or not {"fault", "within_s"} <= mark.kwargs.keys():
            raise TypeError('write max_detection(fault="...", within_s=...)')
        cases.append(Detection(**mark.kwargs))
    return cases[::-1]
