"""All mutations by name, and whether scenarios notice them.

What each breaks is in `mutations_pile.py` and `mutations_faces.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from firmware_sim.bench.scenario.engine import run
from firmware_sim.bench.scenario.mutations_faces import OF_THE_FACES
from firmware_sim.bench.scenario.mutations_pile import OF_THE_PILE
from firmware_sim.bench.scenario.reading import Scenario
from firmware_sim.bench.scenario.subjects import unknown
from firmware_sim.errors import ConfigError, Finding

MUTATIONS: Final = {mutation.name: mutation for mutation in (*OF_THE_PILE, *OF_THE_FACES)}


def chosen(word: str) -> list[str]:
    """The mutations that a word asks for: one name, or all. Raises ConfigError."""
    if word == "all":
        return list(MUTATIONS)
    if word not in MUTATIONS:
        finding = Finding("SCN-013", f"no mutation {word!r}", "", 1, hint=unknown(word, MUTATIONS))
        raise ConfigError("--mutate", [finding])
    return [word]


def noticed(name: str, scenarios: Sequence[Scenario], seed: int) -> list[str]:
    """The scenarios that fail on a pile with this mutation."""
    with MUTATIONS[name].apply():
        return [scenario.name for scenario in scenarios if not run(scenario, seed).passed]


def survey(
    names: Sequence[str],
    scenarios: Sequence[Scenario],
    seed: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Which mutation is noticed by which scenarios; `tell` hears of each as it is known."""
    found: dict[str, list[str]] = {}
    for name in names:
        found[name] = noticed(name, scenarios, seed)
        red = ", ".join(found[name]) or "NOBODY"
        tell(f"{name}: {MUTATIONS[name].meaning}; noticed by {red}")
    return {
        "scenarios": len(scenarios),
        "mutations": len(names),
        "red": len({scenario for red in found.values() for scenario in red}),
        "survived": [name for name, red in found.items() if not red],
        "seed": seed,
        "noticed": found,
    }
