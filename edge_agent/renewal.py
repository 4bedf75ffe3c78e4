"""A configuration that the coordinator sends: checked, put in place, tried, and taken back.

Beside `agent.toml` lie, while a trial runs, `.trial` (what is being tried) and `.last-good` (what
ran before), and `.verdict` until the coordinator has heard how it ended. Every file is replaced in
one step, so a kill at any moment leaves the old configuration or the new one, never a mixture. The
spool is not touched: the agent's id, its data folder and its clock cannot be changed from afar.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from edge_agent.config import Config
from edge_agent.config_file import load_config
from edge_agent.core.directive import Answer, Outcome, Result
from edge_agent.errors import ConfigError
from edge_agent.parts import check_ports

log: Final = structlog.get_logger("edge_agent.renewal")
# So often a configuration on trial may be started before it counts as one that does not come up.
TRIAL_STARTS: Final = 3
TOML_LIMIT: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration that has not proved itself: who asked, its hash, how often it was started."""

    directive_id: str
    sha256: str
    starts: int = 0


class Files:
    """The configuration file and what lies beside it; `state_dir` is where data go by default.

    What `environ` says goes before any of the files.
    """

    def __init__(
        self, path: Path, state_dir: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self._state_dir = state_dir
        self._environ = environ or {}
        self.fresh = path.with_name(f"{path.name}.new")
        self.last_good = path.with_name(f"{path.name}.last-good")
        self._trial = path.with_name(f"{path.name}.trial")
        self._verdict = path.with_name(f"{path.name}.verdict")

    def load(self, path: Path) -> Config:
        """The configuration in a file beside the others; raises `ConfigError`."""
        return load_config(path, self._state_dir, self._environ)

    def trial(self) -> Trial | None:
        """The trial that runs; None where the file in place is not the one that is tried."""
        try:
            trial = Trial(**json.loads(self._trial.read_text(encoding="utf-8")))
            in_place = _sha256(self.path.read_bytes())
        except (OSError, ValueError, TypeError):
            return None
        return trial if trial.sha256 == in_place else None

    def stage(self, toml: str, directive_id: str, present: Config) -> None:
        """Puts a checked text in place, on trial; raises `ConfigError`, OSError or ValueError."""
        text = toml.encode()
        _write(self.fresh, text, stat.S_IMODE(self.path.stat().st_mode))
        try:
            fresh = self.load(self.fresh)
            check_ports(fresh, held=present)
            _check_same_agent(fresh, present)
        except BaseException:
            self.fresh.unlink(missing_ok=True)
            raise
        self.forget_verdict()
        self._replace(self.last_good, self.path.read_bytes())
        self._replace(self._trial, _json(Trial(directive_id, _sha256(text))))
        self.fresh.replace(self.path)
        _sync(self.path.parent)

    def begin_start(self) -> Trial | None:
        """Counts a start of what is on trial; takes it back where it was started too often."""
        trial = self.trial()
        if trial is None:
            self._void()
            return None
        if trial.starts >= TRIAL_STARTS:
            self.roll_back(f"it was started {trial.starts} times and never reported")
            return None
        trial = Trial(trial.directive_id, trial.sha256, trial.starts + 1)
        self._replace(self._trial, _json(trial))
        return trial

    def confirm(self) -> None:
        """Ends the trial well."""
        trial = self.trial()
        if trial is not None:
            self._judge(trial.directive_id, Outcome.DONE, "the agent runs with it")
            self._trial.unlink(missing_ok=True)

    def roll_back(self, why: str) -> None:
        """Puts the last good configuration back; a kill in between is made good by the next try."""
        trial = self.trial()
        if trial is None:
            return
        log.error("configuration taken back", why=why, file=str(self.path))
        self._judge(trial.directive_id, Outcome.REFUSED, f"the last good one is back: {why}")
        self._replace(self.path, self.last_good.read_bytes())
        self._trial.unlink(missing_ok=True)

    def verdict(self) -> Result | None:
        """How the last trial ended, while the coordinator has not heard it."""
        try:
            told = json.loads(self._verdict.read_text(encoding="utf-8"))
            answer = Answer(Outcome(told["outcome"]), told["message"])
            return Result(told["directive_id"], answer)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def forget_verdict(self) -> None:
        """The coordinator has been told."""
        self._verdict.unlink(missing_ok=True)

    def _void(self) -> None:
        """Clears away a push that was cut off before its file was in place."""
        self.fresh.unlink(missing_ok=True)
        with contextlib.suppress(OSError, ValueError, TypeError):
            cut_off = Trial(**json.loads(self._trial.read_text(encoding="utf-8")))
            if self.verdict() is None:
                self._judge(cut_off.directive_id, Outcome.REFUSED, "the push was cut off")
        self._trial.unlink(missing_ok=True)

    def _judge(self, directive_id: str, outcome: Outcome, message: str) -> None:
        told = {"directive_id": directive_id, "outcome": int(outcome), "message": message}
        self._replace(self._verdict, json.dumps(told).encode())

    def _replace(self, path: Path, content: bytes) -> None:
        """Replaces a file in one step, on disk when this returns."""
        mode = stat.S_IMODE(self.path.stat().st_mode)
        beside = path.with_name(f"{path.name}.tmp")
        _write(beside, content, mode)
        beside.replace(path)
        _sync(path.parent)


class Renewal:
    """The side of a running agent: takes pushes, confirms or takes back what is on trial.

    `restart_wanted` is True once the agent has to start anew; `stop` is set then.
    """

    def __init__(self, files: Files, config: Config, stop: asyncio.Event) -> None:
        self.files = files
        self.restart_wanted = False
        self._config = config
        self._stop = stop

    async def configure(self, directive_id: str, toml: str) -> Answer | None:
        """None where the text is in place and the agent starts anew with it, else the refusal."""
        if len(toml.encode()) > TOML_LIMIT:
            return Answer(Outcome.REFUSED, f"larger than {TOML_LIMIT // 1024} KiB")
        if self.restart_wanted or await asyncio.to_thread(self.files.trial) is not None:
            return Answer(Outcome.REFUSED, "another configuration is on trial")
        try:
            await asyncio.to_thread(self.files.stage, toml, directive_id, self._config)
        except ConfigError as error:
            told = "; ".join(f"{p.code} line {p.line}: {p.message}" for p in error.problems)
            return Answer(Outcome.REFUSED, told)
        except (OSError, ValueError) as error:
            return Answer(Outcome.REFUSED, f"it cannot be put in place: {error}")
        log.info("configuration changed, starting anew", directive_id=directive_id)
        self._restart()
        return None

    async def welcomed(self) -> Result | None:
        """Called when the coordinator has welcomed us: the trial is over. How the last one ended.

        The verdict is kept on disk until `told`.
        """
        if self.restart_wanted:
            return None
        await asyncio.to_thread(self.files.confirm)
        return await asyncio.to_thread(self.files.verdict)

    async def told(self) -> None:
        """Called when the verdict has been written to the stream."""
        await asyncio.to_thread(self.files.forget_verdict)

    async def watch(self) -> None:
        """Takes a configuration back with which the coordinator is not reached in time."""
        confirm_s = self._config.uplink.confirm_s
        if self.files.trial() is None:
            return
        await asyncio.sleep(confirm_s)
        if self.files.trial() is not None:
            why = f"no coordinator welcomed the agent within {confirm_s:g} s"
            await asyncio.to_thread(self.files.roll_back, why)
            self._restart()

    def _restart(self) -> None:
        self.restart_wanted = True
        self._stop.set()


def _check_same_agent(fresh: Config, present: Config) -> None:
    kept = {
        "agent.id": (fresh.agent.id, present.agent.id),
        "agent.data_dir": (fresh.data_dir, present.data_dir),
        "clock": (fresh.clock, present.clock),
    }
    for key, (new, old) in kept.items():
        if new != old:
            hint = "change it at the gateway itself"
            fresh.source.report("CFG-090", f"{key} cannot be changed from afar", key, hint=hint)
    fresh.source.finish()


def _json(trial: Trial) -> bytes:
    told: dict[str, Any] = asdict(trial)
    return json.dumps(told).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "wb") as file:  # noqa: PTH123 - the mode counts from the first byte
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Makes renames in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
