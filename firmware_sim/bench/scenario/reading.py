"""Reads a scenario file whole: every mistake at once, with file, line and the known names.

The words are in `tables.py`; running them is in `engine.py`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_sim.bench.scenario.condition import Condition, parse
from firmware_sim.bench.scenario.names import Names
from firmware_sim.bench.scenario.subjects import unknown
from firmware_sim.bench.scenario.tables import (
    ACTIONS,
    VERBS,
    Always,
    Do,
    Expect,
    Head,
    Never,
    Remember,
    Step,
    WaitUntil,
)
from firmware_sim.config import read_piles
from firmware_sim.config_tables import OcppTable, PileConfig
from firmware_sim.errors import ConfigError, Finding
from firmware_sim.toml_file import Reader

_TABLES = ("scenario", "pile", "ocpp", "step")
_OCPP_FACES = ("ocpp16", "ocpp201")


@dataclass(frozen=True, slots=True)
class Line:
    """One step with the line that it stands on, and its condition if it has one."""

    number: int
    step: Step
    evse_id: str
    pile_id: str
    condition: Condition | None = None

    @property
    def verb(self) -> str:
        """The word that makes the step what it is: `do`, `expect` and so on."""
        return next(verb for verb, kind in VERBS.items() if isinstance(self.step, kind))

    @property
    def text(self) -> str:
        """The step in a few words."""
        if isinstance(self.step, Do):
            return self.step.do
        if self.condition is not None:
            return self.condition.text
        return type(self.step).__name__.lower()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario: its head, its piles, its steps in order."""

    name: str
    file: str
    head: Head
    piles: tuple[PileConfig, ...]
    ocpp: OcppTable
    lines: tuple[Line, ...]

    @property
    def demands(self) -> int:
        """How many assertions it makes."""
        return sum(isinstance(line.step, Expect | Never | Always) for line in self.lines)


def load(path: Path) -> Scenario:
    """The scenario in a file; raises ConfigError with every mistake at once."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        finding = Finding("CFG-001", f"cannot read the file: {reason}", "", 0)
        raise ConfigError(str(path), [finding]) from error
    return read(text, name=path.stem, file=str(path))


def read(text: str, *, name: str, file: str) -> Scenario:
    """The scenario in a text; raises ConfigError with every mistake at once."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        at = re.search(r"at line (\d+)", str(error))
        finding = Finding("CFG-002", f"not TOML: {error}", "", int(at[1]) if at else 1)
        raise ConfigError(file, [finding]) from error
    reader = Reader(text)
    scenario = _whole(reader, data, name, file)
    if reader.findings or scenario is None:
        raise ConfigError(file, sorted(reader.findings, key=lambda found: found.line))
    return scenario


def _whole(reader: Reader, data: dict[str, Any], name: str, file: str) -> Scenario | None:
    for key in data.keys() - set(_TABLES):
        reader.fail("CFG-003", key, f'unknown table "{key}"', hint=f"known: {', '.join(_TABLES)}")
    head = reader.struct(Head, data.get("scenario", {}), "scenario")
    ocpp = reader.struct(OcppTable, _filled(data.get("ocpp", {})), "ocpp")
    piles = _piles(reader, data.get("pile", []), Path(file).parent)
    steps = data.get("step", [])
    if not isinstance(steps, list) or not steps:
        reader.fail("SCN-001", "step", "a scenario needs steps", hint="write [[step]] tables")
        steps = []
    if not piles:
        return None
    names = Names(piles)
    lines = [_line(reader, table, f"step[{n}]", names) for n, table in enumerate(steps)]
    read_lines = tuple(line for line in lines if line is not None)
    _check_marks(reader, read_lines)
    if not any(isinstance(line.step, Expect | Never | Always) for line in read_lines):
        reader.fail(
            "SCN-002", "step", "nothing is demanded", hint='add expect = "status is Charging"'
        )
    if head is None or ocpp is None or reader.findings:
        return None
    return Scenario(name, file, head, tuple(piles), ocpp, read_lines)


def _filled(table: Any) -> Any:
    """Samples each minute unless told: long sessions need no more to be judged."""
    return {"sample_s": 60.0, **table} if isinstance(table, Mapping) else table


def _piles(reader: Reader, tables: Any, folder: Path) -> list[PileConfig]:
    """The piles; one that dials needs no address, because the scenario answers it."""
    if not isinstance(tables, list) or not tables:
        reader.fail("SCN-003", "pile", "a scenario needs a pile", hint="write a [[pile]] table")
        return []
    filled = []
    for table in tables:
        if isinstance(table, Mapping) and table.get("face") in _OCPP_FACES and "url" not in table:
            table = {**table, "url": f"ws://scenario.invalid/{table.get('pile_id', '')}"}
        filled.append(table)
    return read_piles(reader, filled, folder)


def _line(reader: Reader, table: Any, at: str, names: Names) -> Line | None:
    if not isinstance(table, Mapping):
        reader.fail("CFG-005", at, f"{at} must be a table")
        return None
    verbs = [verb for verb in VERBS if verb in table]
    if len(verbs) != 1:
        said = " and ".join(verbs) if verbs else "none"
        reader.fail("SCN-004", at, f"a step says one of {', '.join(VERBS)}; this one says {said}")
        return None
    kind = VERBS[verbs[0]]
    if kind is Do:
        action = ACTIONS.get(str(table["do"]))
        if action is None:
            hint = unknown(str(table["do"]), ACTIONS)
            reader.fail("SCN-005", f"{at}.do", f"unknown action {table['do']!r}", hint=hint)
            return None
        kind = action
    step = reader.struct(kind, table, at)
    if step is None:
        return None
    evse_id = names.evse_id(step.evse)
    if evse_id is None:
        hint = unknown(step.evse, names.evse_ids)
        reader.fail("SCN-006", f"{at}.evse", f"no EVSE {step.evse!r}", hint=hint)
        return None
    pile_id = names.pile_of[evse_id]
    if isinstance(step, Do):
        for key, problem, hint in names.problems(step, pile_id):
            reader.fail("SCN-007", f"{at}.{key}", problem, hint=hint)
    condition = _condition(reader, step, at, names, pile_id)
    return Line(reader.line(at), step, evse_id, pile_id, condition)


def _condition(reader: Reader, step: Step, at: str, names: Names, pile_id: str) -> Condition | None:
    for kind, key in (
        (Expect, "expect"),
        (Never, "never"),
        (Always, "always"),
        (WaitUntil, "wait_until"),
    ):
        if not isinstance(step, kind):
            continue
        try:
            condition = parse(getattr(step, key))
        except ValueError as error:
            reader.fail("SCN-008", f"{at}.{key}", str(error))
            return None
        for clause in condition.clauses:
            problem = names.subject_problem(clause.subject, pile_id)
            if problem is not None:
                reader.fail("SCN-009", f"{at}.{key}", problem[0], hint=problem[1])
        return condition
    return None


def _check_marks(reader: Reader, lines: tuple[Line, ...]) -> None:
    made: set[str] = set()
    for line in lines:
        if isinstance(line.step, Remember):
            made.add(line.step.remember)
        for name, _ in line.condition.marks if line.condition else ():
            if name not in made:
                known = ", ".join(sorted(made)) or "none yet"
                finding = Finding(
                    "SCN-010",
                    f"nothing was remembered as @{name}",
                    "",
                    line.number,
                    hint=f"known here: {known}",
                )
                reader.findings.append(finding)
