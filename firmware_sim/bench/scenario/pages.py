"""The words of scenario files and the library as Markdown tables, for `docs/scenarios.md`.

`python -m firmware_sim.bench.scenario.pages` prints them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from firmware_sim.bench.scenario import library
from firmware_sim.bench.scenario.demands import Do, Step
from firmware_sim.bench.scenario.mutations import MUTATIONS
from firmware_sim.bench.scenario.subjects import (
    CENTRAL_FIELDS,
    EVSE_FIELDS,
    MASTER_FIELDS,
    PILE_FIELDS,
    SENSOR_FIELDS,
)
from firmware_sim.bench.scenario.tables import ACTIONS, VERBS

_EVERYWHERE = {field.name for field in msgspec.structs.fields(Step)} | VERBS.keys()


def verbs_table() -> str:
    """What a step can say beside an action."""
    rows = [
        (f"`{verb}`", _keys(kind), _meaning(kind)) for verb, kind in VERBS.items() if kind is not Do
    ]
    return _table(("Step", "Keys", "What it means"), rows)


def actions_table() -> str:
    """Every action with its keys and their defaults."""
    rows = [(f"`{name}`", _keys(kind), _meaning(kind)) for name, kind in ACTIONS.items()]
    return _table(("`do =`", "Keys (default)", "What happens"), rows)


def subjects_table() -> str:
    """What conditions can look at."""
    named = {
        "*field*": (tuple(EVSE_FIELDS), "the EVSE itself"),
        "`pile.`*field*": (PILE_FIELDS, "all EVSEs of the pile together, and its wire"),
        "`register.`*name*, `register.`*address*": (
            (),
            "a register as the device's own map gives it: by name in its unit, by address raw",
        ),
        "`master.`*field*": (MASTER_FIELDS, "the last request that went over the wire"),
        "`sent.`*Action*`[key=value]`": ((), "how many such messages the pile has sent"),
        "`sent.`*Action*`[key=value].`*path*": ((), "a field of the last such message"),
        "`answer.`*Action*": ((), "the status that the pile answered a question with"),
        "`central.`*field*": (CENTRAL_FIELDS, "the central system's view of the pile"),
        "`sensor.`*field*": (SENSOR_FIELDS, "what the bay sensor publishes"),
        "`input.`*name*": ((), "an input of the pile, see [the simulated pile](sim.md)"),
    }
    rows = [
        (subject, ", ".join(f"`{name}`" for name in names) or "-", meaning)
        for subject, (names, meaning) in named.items()
    ]
    return _table(("Subject", "Fields", "Whose"), rows)


def library_table() -> str:
    """Every scenario of the package."""
    rows = [
        (f"`{s.name}`", s.head.title, s.head.disturbance, str(s.demands))
        for s in library.find("all")
    ]
    return _table(("Name", "What holds", "In spite of", "Demands"), rows)


def mutations_table() -> str:
    """Every way to break the pile, and who notices."""
    rows = [
        (f"`{m.name}`", m.meaning, ", ".join(f"`{name}`" for name in m.noticed_by))
        for m in MUTATIONS.values()
    ]
    return _table(("Mutation", "What is wrong then", "Sure to notice"), rows)


def _keys(kind: type[msgspec.Struct]) -> str:
    cells = []
    for field in msgspec.structs.fields(kind):
        if field.name in _EVERYWHERE:
            continue
        cells.append(f"`{field.name}`{_default(field)}")
    return ", ".join(cells) or "-"


def _default(field: Any) -> str:
    if field.required:
        return ""
    value = field.default
    if value is msgspec.NODEFAULT or value is None or value == "":
        return " (none)"
    shown = (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:g}"
        if (isinstance(value, float))
        else str(value)
    )
    return f" ({shown})"


def _meaning(kind: type[msgspec.Struct]) -> str:
    text = " ".join((inspect.getdoc(kind) or "").split())
    return re.sub(r"^`\w+`: ", "", text).replace("|", "\\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


if __name__ == "__main__":
    for table in (verbs_table, actions_table, subjects_table, library_table, mutations_table):
        print(f"<!-- {table.__name__} -->\n{table()}<!-- end -->\n")
