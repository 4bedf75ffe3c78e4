"""What the pipeline derives once from the fixed columns of a district and keeps until they change.

Live values are never derived here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.geo import Places

Index = NDArray[np.intp]

ANY = -1  # all bits set: fits every plug, takes every payment


class Layout:
    """Places of the stations, rows of their EVSEs, masks in which unknown means any.

    Source: US 12,393,974 B2, step 320.
    """

    __slots__ = (
        "payments", "pile_kw", "places", "plugs", "several", "station_size", "station_start",
    )  # fmt: skip

    def __init__(self, district: District) -> None:
        self.places = Places(district.station_lat_deg, district.station_lon_deg)
        self.station_start: Index = district.station_start.astype(np.intp)
        self.station_size: Index = district.station_size.astype(np.intp)
        # The greatest power of an EVSE of each pile, and whether any pile has several EVSEs.
        self.pile_kw: NDArray[np.float64] = np.zeros(len(district.piles))
        np.maximum.at(self.pile_kw, district.pile, district.max_power_kw)
        self.several = bool(len(district.pile) > len(set(district.pile.tolist())))
        plugs = district.connector_mask
        # Bit 0 is a plug of unknown kind.
        self.plugs: NDArray[np.int64] = np.where((plugs == 0) | (plugs & 1 == 1), ANY, plugs)
        payments = district.payment_mask
        self.payments: NDArray[np.int64] = np.where(
            (payments == 0) | (payments & 1 == 1), ANY, payments
        )


def layout_of(district: District) -> Layout:
    """The layout of a district, made anew after its stations changed.

    Source: US 12,393,974 B2, step 320.
    """
    layout = district.derived.get("layout")
    if not isinstance(layout, Layout):
        layout = district.derived["layout"] = Layout(district)
    return layout
