"""Real data as typed columns: one adapter per source, each row judged once and counted.

What is learned from the columns is in `training.backtest` and `training.from_store`; the made-up
city's choices are in `training.datasets`.
"""

from training.sources.city_log import read_log as read_city_log
from training.sources.columns import (
    AVAILABLE,
    OCCUPIED,
    OUT_OF_CONTACT,
    OUT_OF_SERVICE,
    PART,
    STATES,
    Connectors,
    Intervals,
    Sessions,
    Usage,
)
from training.sources.epfl import read_dc_sessions
from training.sources.files import SourceInvalid, instant
from training.sources.ireland import joined, read_connectors, read_intervals
from training.sources.lugano import read_sessions
from training.sources.saopaulo import read_usage
from training.sources.store import Store, read_store, store_sessions

__all__ = [
    "AVAILABLE",
    "OCCUPIED",
    "OUT_OF_CONTACT",
    "OUT_OF_SERVICE",
    "PART",
    "STATES",
    "Connectors",
    "Intervals",
    "Sessions",
    "SourceInvalid",
    "Store",
    "Usage",
    "instant",
    "joined",
    "read_city_log",
    "read_connectors",
    "read_dc_sessions",
    "read_intervals",
    "read_sessions",
    "read_store",
    "read_usage",
    "store_sessions",
]
