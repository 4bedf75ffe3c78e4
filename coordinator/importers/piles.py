"""Facts of piles from CSV: one row a pile, or one a connector; an empty cell says nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from coordinator.core.pile import Connector, Evse, Pile
from coordinator.errors import ImportInvalid, Problem
from coordinator.importers.rows import Cells, read_table
from coordinator.importers.tables import identifier, instant
from coordinator.importers.words import connector_number, on_wgs84, power_type

COLUMNS = (
    "pile_id", "station_id", "label", "maker", "model", "serial", "firmware", "commissioned_at",
    "latitude_deg", "longitude_deg", "datum", "bay_count", "evse_id", "connector_id", "standard",
    "power_type", "max_power_kw",
)  # fmt: skip


def load_piles(path: Path) -> list[Pile]:
    """Piles of a CSV file; rows of one pile make one. Raises `ImportInvalid` naming bad rows."""
    piles: dict[str, Pile] = {}
    for line, row in read_table(Path(path), COLUMNS[:1], _pile, COLUMNS):
        known = piles.get(row.pile_id)
        if known is None:
            piles[row.pile_id] = row
        elif replace(known, evses=()) != replace(row, evses=()):
            message = f"pile {row.pile_id} is told differently in an earlier row"
            raise ImportInvalid([Problem("IMP-003", f"{path}:{line}", message)])
        else:
            piles[row.pile_id] = replace(known, evses=_together(known.evses, row.evses))
    return list(piles.values())


def _together(evses: tuple[Evse, ...], more: tuple[Evse, ...]) -> tuple[Evse, ...]:
    """EVSEs of several rows: the same one has the plugs of all of them."""
    made = {evse.evse_id: evse for evse in evses}
    for evse in more:
        known = made.get(evse.evse_id, Evse(evse.evse_id, ()))
        made[evse.evse_id] = Evse(evse.evse_id, known.connectors + evse.connectors)
    return tuple(made.values())


def _pile(cells: Cells) -> Pile:
    commissioned = cells.text("commissioned_at", "")
    latitude_deg, longitude_deg = _place(cells)
    station_id = identifier(cells, "station_id") if cells.text("station_id", "") else ""
    return Pile(
        identifier(cells, "pile_id"),
        station_id,
        _evses(cells),
        label=cells.text("label", "")[:256],
        maker=cells.text("maker", "")[:256],
        model=cells.text("model", "")[:256],
        serial=cells.text("serial", "")[:256],
        firmware=cells.text("firmware", "")[:256],
        commissioned_at_s=instant(commissioned) if commissioned else None,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        bay_count=cells.whole("bay_count", 0, 10_000, 0),
    )


def _place(cells: Cells) -> tuple[float | None, float | None]:
    if not cells.text("latitude_deg", ""):
        return None, None
    place = cells.number("latitude_deg", -90, 90), cells.number("longitude_deg", -180, 180)
    return on_wgs84(place, cells.text("datum", ""))


def _evses(cells: Cells) -> tuple[Evse, ...]:
    """The EVSE of the row; none if it names neither an EVSE nor a plug."""
    if not (cells.text("evse_id", "") or cells.text("standard", "")):
        return ()
    named = bool(cells.text("evse_id", ""))
    evse_id = identifier(cells, "evse_id" if named else "pile_id") + ("" if named else "*1")
    if not cells.text("standard", ""):
        return (Evse(evse_id, ()),)
    standard = connector_number(cells.text("standard"))
    kind = power_type(cells.text("power_type", ""), standard)
    power_kw = cells.number("max_power_kw", 0, 5_000)
    return (Evse(evse_id, (Connector(cells.text("connector_id", "1"), standard, kind, power_kw),)),)
