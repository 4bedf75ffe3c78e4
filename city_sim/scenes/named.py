"""A scene by its name: the one door through which comparisons come to scenes.

What is in a scene is in `scenarios.py` (the campus) and `shenzhen.py` (a real city).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from city_sim.scenarios import CAMPUS_LAYOUT, Scenario, campus
from city_sim.scenes.shenzhen import Shares, evening

CAMPUS, CAMPUS_CARS = "campus-280", 950
NAMES = (CAMPUS, "shenzhen-N")
MOST_PLUGS = 17_532
_CITY = re.compile(r"shenzhen-([1-9]\d{0,4})")


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """What may be varied; None leaves it to the scene. Can be pickled.

    `stations` is the list a real city is read from, `data` the folder with `saopaulo/` and
    `epfl_dc/`; without it, it is looked for beside the list. `load` is of all plugs at the peak.
    """

    stations: Path | None = None
    data: Path | None = None
    walk_in_share: float | None = None
    failing_share: float | None = None
    disobey_share: float | None = None
    vip_share: float | None = None
    load: float | None = None
    layout: int = CAMPUS_LAYOUT


class SceneUnknown(ValueError):
    """No scene has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} is no scene: known are {CAMPUS}, and shenzhen-N with N plugs, "
            f"1 to {MOST_PLUGS} (shenzhen-2000)"
        )


def scene(
    name: str, seed: int, cars: int | None = None, options: SceneOptions | None = None
) -> Scenario:
    """The scene of this name and seed; without `cars`, with as many as it usually has.

    Raises SceneUnknown for a name that is none, and `ImportInvalid` for a list that cannot be read.
    """
    options = options or SceneOptions()
    plugs = plugs_of(name)
    if plugs is None:
        return campus(
            seed,
            CAMPUS_CARS if cars is None else cars,
            walk_in_share=options.walk_in_share,
            failing_share=options.failing_share,
            layout=options.layout,
        )
    shares = Shares.of(
        options.walk_in_share, options.failing_share, options.disobey_share, options.vip_share
    )
    return evening(
        plugs, seed, cars, options.stations, data=options.data, shares=shares, load=options.load
    )


def plugs_of(name: str) -> int | None:
    """How many plugs a real city is asked for; None for the campus.

    >>> plugs_of("shenzhen-2000"), plugs_of("campus-280")
    (2000, None)

    Raises SceneUnknown.
    """
    if name == CAMPUS:
        return None
    found = _CITY.fullmatch(name)
    if found is None or int(found[1]) > MOST_PLUGS:
        raise SceneUnknown(name)
    return int(found[1])
