"""A pushed configuration: whole or not at all, whatever cuts it off."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config_file import load_config
from edge_agent.core.directive import Outcome
from edge_agent.errors import ConfigError
from edge_agent.renewal import TRIAL_STARTS, Files, Renewal

OLD = (
    '[agent]\nid = "G1"\ncoordinator = "127.0.0.1:1"\ndata_dir = "data"\nperiod_s = 1.0\n'
    '[[pile]]\nuid = "A-01"\nprofile = "abb-terra-ac"\nhost = "127.0.0.1"\n'
)
NEW = OLD.replace("period_s = 1.0", "period_s = 2.0")


class Cut(BaseException):
    """The power went."""


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path / "agent.toml", tmp_path)
    made.path.write_text(OLD)
    made.path.chmod(0o640)
    return made


def period_s(files: Files) -> float:
    return load_config(files.path).agent.period_s


def push(files: Files, toml: str = NEW) -> None:
    files.stage(toml, "d1", load_config(files.path))


def names(files: Files) -> set[str]:
    return {path.name for path in files.path.parent.iterdir()}


def test_push_is_in_place_on_trial_with_the_same_mode(files: Files) -> None:
    """The new text is what will be read, the old one is kept beside it, nobody else may read it."""
    push(files)

    assert period_s(files) == 2.0
    assert files.last_good.read_text() == OLD
    assert files.path.stat().st_mode & 0o777 == 0o640
    assert files.trial() is not None


@pytest.mark.parametrize(
    ("toml", "code"),
    [
        ("[agent", "CFG-002"),
        (NEW + "typo = 1\n", "CFG-003"),
        (NEW.replace('"G1"', '"G2"'), "CFG-090"),
        (NEW.replace('"data"', '"elsewhere"'), "CFG-090"),
        (NEW + "[clock]\nepoch_at_ms = 0\nanchor_s = 0.0\nspeed = 1.0\n", "CFG-090"),
        (NEW.replace("127.0.0.1:1", "coordinator.example:1"), "CFG-010"),
    ],
)
def test_K3_invalid_push_changes_nothing(files: Files, toml: str, code: str) -> None:
    """Mistakes, another id, data folder or clock: refused with their code and line."""
    with pytest.raises(ConfigError) as caught:
        push(files, toml)

    assert code in {problem.code for problem in caught.value.problems}
    assert files.path.read_text() == OLD
    assert names(files) == {"agent.toml"}


def test_K3_confirmed_push_stays(files: Files) -> None:
    """Once the coordinator has welcomed the agent the new configuration is the good one."""
    push(files)
    files.begin_start()
    files.confirm()
    told = files.verdict()
    files.forget_verdict()

    assert files.trial() is None
    assert period_s(files) == 2.0
    assert told is not None
    assert (told.directive_id, told.answer.outcome) == ("d1", Outcome.DONE)
    assert names(files) == {"agent.toml", "agent.toml.last-good"}


def test_K3_push_that_never_comes_up_is_taken_back(files: Files) -> None:
    """After so many starts without a welcome the old configuration returns, and it is told why."""
    push(files)
    trials = [files.begin_start() for _ in range(TRIAL_STARTS)]
    last = files.begin_start()
    told = files.verdict()

    assert None not in trials
    assert last is None
    assert files.path.read_text() == OLD
    assert told is not None
    assert told.answer.outcome is Outcome.REFUSED
    assert "the last good one is back" in told.answer.message


def nth_call_cuts(monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], int]:
    """The power goes at the n-th write, sync, rename or unlink."""
    count = [0]

    def wrap(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **more: Any) -> Any:
            count[0] += 1
            if count[0] == number:
                raise Cut
            return work(*args, **more)

        return run

    monkeypatch.setattr(os, "fsync", wrap(os.fsync))
    monkeypatch.setattr(os, "open", wrap(os.open))
    monkeypatch.setattr(Path, "replace", wrap(Path.replace))
    monkeypatch.setattr(Path, "unlink", wrap(Path.unlink))
    return lambda: count[0]


@pytest.mark.slow
@pytest.mark.parametrize("work", ["push", "confirm", "roll_back"])
def test_K3_cut_off_at_any_step_leaves_one_whole_configuration(tmp_path: Path, work: str) -> None:
    """For every n: with power lost at the n-th step, the next start finds the old or the new text.

    It never finds a mixture, and the spool beside it is not touched.
    """
    steps = 1
    outcomes = set()
    while True:
        folder = tmp_path / str(steps)
        (folder / "data").mkdir(parents=True)
        spool = folder / "data" / "spool.db"
        spool.write_bytes(b"records")
        files = Files(folder / "agent.toml", folder)
        files.path.write_text(OLD)
        if work != "push":
            push(files)
            files.begin_start()
        with pytest.MonkeyPatch.context() as patch:
            count = nth_call_cuts(patch, steps)
            try:
                {
                    "push": lambda files=files: push(files),
                    "confirm": files.confirm,
                    "roll_back": lambda files=files: files.roll_back("broken"),
                }[work]()
                finished = True
            except Cut:
                finished = False
            done = count()
        files.begin_start()
        text = files.path.read_text()
        assert text in (OLD, NEW)
        load_config(files.path)
        assert spool.read_bytes() == b"records"
        if files.trial() is None:
            told = files.verdict()
            outcomes.add((text == NEW, told.answer.outcome if told else None))
        if finished:
            break
        steps += 1

    assert done < steps
    assert steps > 4
    # Whoever asked is never told that it runs while the old text is in place.
    assert (False, Outcome.DONE) not in outcomes


async def test_push_while_another_is_on_trial_is_refused(files: Files) -> None:
    """One at a time; and one that is valid stops the agent so that it starts anew."""
    stop = asyncio.Event()
    renewal = Renewal(files, load_config(files.path), stop)

    bad = await renewal.configure("d0", "x")
    before = stop.is_set()
    good = await renewal.configure("d1", NEW)
    again = await renewal.configure("d2", NEW)

    assert bad is not None
    assert bad.outcome is Outcome.REFUSED
    assert bad.message.startswith("CFG-002 line 1")
    assert not before
    assert good is None
    assert stop.is_set()
    assert renewal.restart_wanted
    assert again is not None
    assert again.message == "another configuration is on trial"
