"""What `[replan]` says reaches the loop of the joint re-plan and its matcher."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coordinator import app
from coordinator.config import read_config
from coordinator.parts import build_parts


@dataclass
class Made:
    """What the loop and the matcher were made with."""

    loop: tuple[Any, ...] = ()
    solver: tuple[Any, ...] = ()


def configured(folder: Path, monkeypatch: pytest.MonkeyPatch, section: str) -> tuple[Made, Any]:
    """What a coordinator starts for this section, and its parts."""
    path = folder / "coordinator.toml"
    path.write_text(
        f'[coordinator]\ndistrict = "test"\ndata_dir = "{folder / "data"}"\n[replan]\n{section}'
    )
    made = Made()

    class Loop:
        """Notes what it is made with."""

        def __init__(self, *parts: Any) -> None:
            made.loop = parts

        async def run(self) -> None:
            """Ends at once."""

    def solver(*parts: Any) -> str:
        made.solver = parts
        return "solver"

    monkeypatch.setattr(app, "ReplanLoop", Loop)
    monkeypatch.setattr(app, "WorkerSolver", solver)

    async def start() -> Any:
        parts = build_parts(read_config(path))
        try:
            async with asyncio.TaskGroup() as group:
                app._configured(parts, group)
        finally:
            await parts.brain.close()
            await parts.store.close()
            parts.lock.release()
        return parts

    return made, asyncio.run(start())


def test_the_loop_and_the_matcher_are_made_as_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Period, budget and weighing reach those who need them."""
    section = "period_s = 12.5\nbudget_s = 0.75\nweighted = true\n"

    made, parts = configured(tmp_path, monkeypatch, section)

    settings, budget_s = made.solver
    assert settings.weighted is True
    assert budget_s == 0.75
    replanner, clock, period_s, solver = made.loop
    assert (replanner, clock, period_s, solver) == (
        parts.brain.replanner,
        parts.clock,
        12.5,
        "solver",
    )
    assert replanner.settings is settings


def test_without_a_word_levels_are_in_order_every_thirty_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defaults that the documents name."""
    made, _ = configured(tmp_path, monkeypatch, "")

    assert made.solver[0].weighted is False
    assert made.solver[1] == 2.0
    assert made.loop[2] == 30.0


def test_a_re_plan_that_is_switched_off_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No loop, no worker process."""
    made, _ = configured(tmp_path, monkeypatch, "enabled = false\n")

    assert made == Made()
