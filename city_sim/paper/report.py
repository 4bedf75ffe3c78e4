"""The run as one page: the paper's figures 4 to 17 drawn anew, and what Pilewise does beside them.

What is drawn is in `drawings.py` and `comparing.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from city_sim.paper import comparing, drawings
from city_sim.paper.configurations import CONFIGURATIONS
from city_sim.paper.runs import OPTIMUM, PILEWISE, Rows, Run, choices, scene_of
from city_sim.paper.summary import PUBLISHED
from city_sim.reports import Figure, Origin, Report, Section

SHOWN = "D"  # of several configurations, the one whose figures are drawn
WORDS = {
    "distance": "Each car goes to its nearest pile.",
    "preference": "Each car goes where it charged most, by distance.",
    "traffic": "Each car takes the way with the least load.",
    "integrated": "Each car takes the greatest factor of preference and load.",
    PILEWISE: "Cars are answered one by one, hold a slot, and are planned anew together.",
    OPTIMUM: "The shortest ways that the slots allow.",
}
LITERAL = "Each car takes the way with the most load, as the paper's text has it."
COUNTS = {"distance": 14, "preference": 15, "traffic": 16, "integrated": 17}


def report(
    told: Mapping[str, Any], rows: Mapping[str, Sequence[Rows]], first: Run, origin: Origin
) -> Report:
    """The page of a run; `rows` by configuration, `first` the scene that is drawn."""
    one = told["configs"][first.letter] if "configs" in told else told
    scene = scene_of(first)
    chosen = {name: stations for name, (stations, _) in choices(first, scene).items()}
    words = WORDS | ({"traffic": LITERAL} if first.literal_traffic else {})
    factors = drawings.factors(scene)
    methods = tuple(
        Section(
            f"By {name}",
            (
                *factors[name],
                drawings.ways(scene, chosen[name], f"Ways by {name}", words[name]),
                drawings.counted(
                    scene, chosen[name], f"Paper Fig. {n}: cars at each pile by {name}", words[name]
                ),
            ),
        )
        for name, n in COUNTS.items()
    )
    ours = tuple(
        part
        for name, title in ((PILEWISE, "Pilewise"), (OPTIMUM, "the optimum"))
        for part in (
            drawings.ways(scene, chosen[name], f"Ways by {title}", words[name]),
            drawings.counted(scene, chosen[name], f"Cars at each pile by {title}", words[name]),
        )
    )
    sections = (
        *_readings(told),
        Section("The scene", (
            f"Configuration {first.letter}, seed {first.seed}. "
            f"{CONFIGURATIONS[first.letter].about}", drawings.scene_map(scene))),
        *methods,
        _compared(one, rows[first.letter]),
        Section("Pilewise and the optimum on the same scene", ours),
    )  # fmt: skip
    return Report(
        "The paper's simulation, drawn again", _summary(one, first.letter), sections, origin
    )


def _readings(told: Mapping[str, Any]) -> tuple[Section, ...]:
    """The table of all configurations, where all were played."""
    if "configs" not in told:
        return ()
    about = {letter: one.about for letter, one in CONFIGURATIONS.items()}
    each = told["configs"]
    parts = (comparing.eight_readings(each, about), comparing.readings_drawn(each))
    return (Section("What the paper leaves open, filled in eight ways", parts),)


def _compared(one: Mapping[str, Any], rows: Sequence[Rows]) -> Section:
    figures: tuple[Figure, ...] = (
        comparing.total_distances(rows),
        comparing.all_distances(rows),
        comparing.all_reductions(rows),
        comparing.spreads(rows),
        *comparing.balance(rows),
    )
    words = (
        "Means over the scenes. Ways are straight lines; a load is the cars through a cell of "
        "250 m. The cost is energy by one tariff: it differs only by the energy of the way. "
        "The paper's methods give all cars a pile at once and know no slots; holds, Pilewise and "
        "the optimum keep to them. Pilewise in steps moves cars as on the road, where nobody is "
        "sent to a slot that another still has."
    )
    return Section("Comparison", (words, comparing.five_indexes(one), *figures))


def _summary(one: Mapping[str, Any], letter: str) -> str:
    saved, ours, best = (
        f"{100 * one[f'{key}_reduction']:.1f} ± {100 * one[f'{key}_reduction_sd']:.1f} %"
        for key in ("integrated", "pilewise", "optimum")
    )
    return (
        f"Configuration {letter}: against preference alone the paper's integrated factor saves "
        f"{saved} of the distance (published: {100 * PUBLISHED:.2f} %), Pilewise {ours} with "
        f"{one['pilewise_over_capacity']} stations over their slots, and the optimum within the "
        f"same slots {best}. ± is the spread from scene to scene."
    )
