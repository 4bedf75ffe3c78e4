"""How large the scene is: cars, places where piles stand, plugs and slots at each.

The paper announces 500 cars and 280 plugs and simulates 100 cars and 10 piles (paper 3); both are
here. What the cars want is in `configurations.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from city_sim.paper.errors import OptionInvalid

WIDTH_KM, HEIGHT_KM = 3.0, 6.0
MOST_CARS_PER_PILE = 10.0


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of a scene. A station is what a car chooses: in the printed scene, one pile.

    A slot is a turn of one car in the day; at most `slots_per_station` cars fit one station.
    Source: paper 3, Fig. 4.
    """

    name: str
    cars: int
    stations: int
    plugs_per_station: int
    slots_per_station: int

    @property
    def plugs(self) -> int:
        """Plugs of all stations: the piles, where one pile serves one car at a time."""
        return self.stations * self.plugs_per_station

    @property
    def slots(self) -> int:
        """Cars that fit altogether."""
        return self.stations * self.slots_per_station


SIZES = {
    "100x10": Size("100x10", 100, 10, 1, 10),
    "500x280": Size("500x280", 500, 40, 7, 13),
}


def size_of(name: str, cars_per_pile: float | None = None, slots: int | None = None) -> Size:
    """The named size, with as many cars as asked for and slots that all of them fit in.

    `cars_per_pile` counts piles as the paper does, 7.6 in all of China (paper 1): one plug each.

    Raises `OptionInvalid` for what makes no scene.

    >>> size_of("100x10", cars_per_pile=7.6).cars, size_of("500x280", 7.6).slots_per_station
    (76, 54)
    """
    if name not in SIZES:
        raise OptionInvalid("--size", name, f"one of {', '.join(SIZES)}")
    size = SIZES[name]
    if cars_per_pile is not None:
        if not 0.0 < cars_per_pile <= MOST_CARS_PER_PILE:
            raise OptionInvalid(
                "--cars-per-pile", cars_per_pile, f"above 0, at most {MOST_CARS_PER_PILE:g}"
            )
        size = replace(size, cars=max(round(cars_per_pile * size.plugs), 1))
    needed = math.ceil(size.cars / size.stations)
    if slots is not None and slots < needed:
        raise OptionInvalid(
            "--slots", slots, f"at least {needed}",
            f"{size.cars} cars share {size.stations} stations, and each must fit somewhere",
        )  # fmt: skip
    return replace(size, slots_per_station=slots or max(size.slots_per_station, needed))
