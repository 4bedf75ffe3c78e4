"""What is wrong with an element of a tariff: asked of every list taken in and of what is stored.

What an element that is in order charges is in `rates.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from coordinator.core.pile import TariffElement

DIMENSIONS = ("ENERGY", "FLAT", "PARKING_TIME", "TIME")
PRICE_LIMIT = 1e6
CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def element_faults(element: TariffElement) -> Iterator[tuple[str, str]]:
    """The name of each wrong field of an element, and what it must be.

    Either clock may be left out, as in OCPI: the day then begins or ends there.

    Source: paper 2.3.2.2 (pricing standard).

    >>> list(element_faults(TariffElement("ENERGY", 1.2, "22:00", "24:00", (1, 7))))
    []
    >>> [field for field, _ in element_faults(TariffElement("KWH", 1e300, "7", "25:00", (0,)))]
    ['dimension', 'price', 'start_time', 'end_time', 'weekdays']
    """
    if element.dimension not in DIMENSIONS:
        yield "dimension", f"is {element.dimension!r}, not one of {', '.join(DIMENSIONS)}"
    if not abs(element.price) <= PRICE_LIMIT:
        seen = f"{element.price:g}" if math.isfinite(element.price) else str(element.price)
        yield "price", f"is {seen}, not within {-PRICE_LIMIT:g} to {PRICE_LIMIT:g}"
    for name, clock in (("start_time", element.start_time), ("end_time", element.end_time)):
        if clock and not CLOCK.fullmatch(clock):
            yield name, f"is {clock!r}, not a time from 00:00 to 24:00 as HH:MM"
    if wrong := [day for day in element.weekdays if not 1 <= day <= 7]:
        yield "weekdays", f"has {wrong[0]}, not 1 (Monday) to 7 (Sunday)"
