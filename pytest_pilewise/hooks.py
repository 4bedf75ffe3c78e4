"""What a bench with a real device can do by itself, told by a conftest.py through these hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_pilewise.device import DevicePile


@pytest.hookspec(firstresult=True)
def pytest_pilewise_plug(
    pile: DevicePile, plugged: bool, wishes: dict[str, Any], config: pytest.Config
) -> bool | None:
    """Connects a car to a real pile, or takes the cable out; True once it is done.

    Ask the person at the bench, or drive a car simulator. None or False skips the test. `wishes`
    are the arguments of `plug_in`: soc_pct, target_soc_pct, battery_kwh, max_power_kw, ...
    """


@pytest.hookspec(firstresult=True)
def pytest_pilewise_break(
    pile: DevicePile, fault: str, broken: bool, config: pytest.Config
) -> bool | None:
    """Breaks or mends something at a real pile (a relay box, a person); True once it is done.

    `fault` is a name of the fault table, or an input as `residual_dc_ma=30`; an empty one with
    `broken` False means everything. None or False skips the test.
    """
