"""Stations, tariffs, users, roads and owners from files, and out again.

`load_*` give values and raise `ImportInvalid` naming every bad row with its line at once.
"""

from coordinator.importers.ocpi_out import party_of
from coordinator.importers.stations import load_stations
from coordinator.importers.tables import load_owners, load_roads, load_users
from coordinator.importers.tariffs import load_tariffs
from coordinator.importers.whole import (
    Files,
    Imported,
    export_from_store,
    import_into_store,
    read_files,
    retire_in_store,
)

__all__ = [
    "Files",
    "Imported",
    "export_from_store",
    "import_into_store",
    "load_owners",
    "load_roads",
    "load_stations",
    "load_tariffs",
    "load_users",
    "party_of",
    "read_files",
    "retire_in_store",
]
