"""Stamps of what is believed, kept behind the clock: one that lies ahead would outlive the truth.

A row older than what is known changes nothing (`district.py`). Where the clock was set back, all
that was believed would stand until it has caught up.
"""

from __future__ import annotations

import numpy as np

from coordinator.core.district import District


def none_ahead(district: District, now_s: float) -> None:
    """Takes stamps of a time that has not come yet as of now.

    Departs: the seeds know one clock, and nobody sets it.
    """
    for stamps in (district.observed_at_s, district.changed_at_s):
        np.minimum(stamps, now_s, out=stamps)
