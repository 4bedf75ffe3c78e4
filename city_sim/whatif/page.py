"""The report of a what-if: both days beside each other, station by station."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from city_sim.reports import (
    Bar,
    Column,
    Line,
    Link,
    Origin,
    Place,
    Report,
    Section,
    Table,
    bars,
    ecdf,
    lines,
    scatter,
)
from city_sim.whatif.figures import Side, minutes
from coordinator.core.pile import Station

BASE, CHANGED = "as it was", "changed"
STEP_S = 1_800.0  # between two looks at the plugs
MOST_BARS = 12
MOST_NAMES = 30  # on the map; more would cover each other
ROWS = (
    ("mean_wait_min", "mean wait (min)", 2), ("p95_wait_min", "wait of one in twenty (min)", 2),
    ("mean_drive_min", "mean drive (min)", 2),
    ("mean_drive_plus_wait_min", "mean drive + wait (min)", 2),
    ("walk_in_mean_wait_min", "mean wait of those who just came (min)", 2),
    ("turned_away", "came to a station and left in vain", 0), ("unserved", "never served", 0),
    ("utilisation", "share of the plugs' time taken", 3),
)  # fmt: skip


def report_of(
    told: Mapping[str, Any], base: Side, changed: Side, stations: Sequence[Station],
    notes: Sequence[str], origin: Origin,
) -> Report:  # fmt: skip
    """Everything on one page; `told` are the figures of `figures.compared` and what was asked."""
    return Report(
        f"What if: {told['day']}, {told['change']}",
        summary(told),
        (
            Section("The day", (_table(told), _waits(base, changed), _taken(base, changed))),
            Section("Stations", (_busiest(told), _map(told, stations), _stations(told))),
            Section("What the store does not tell", tuple(notes) or ("Nothing is missing.",)),
        ),
        origin,
    )


def summary(told: Mapping[str, Any]) -> str:
    """The outcome in one paragraph."""
    return (
        f"{told['requests']} cars that asked and {told['walk_ins']} that just came, replayed as it"
        f" was and {told['change']}: the mean wait of those who asked goes from"
        f" {told['base_mean_wait_min']:.1f} to {told['mean_wait_min']:.1f} min, the number of times"
        f" that a car left a station in vain from {told['base_turned_away']} to"
        f" {told['turned_away']}, the share of their time in which plugs are taken from"
        f" {told['base_utilisation']:.1%} to {told['utilisation']:.1%}. Of"
        f" {told['drivers_compared']} drivers {told['drivers_affected']} are affected:"
        f" {told['drivers_worse']} lose a minute or more, {told['drivers_better']} gain one."
    )


def _table(told: Mapping[str, Any]) -> Table:
    rows = [
        {
            "what": words,
            BASE: round(told[f"base_{name}"], digits),
            CHANGED: round(told[name], digits),
        }
        for name, words, digits in ROWS
    ]
    columns = {"what": Column(""), BASE: Column(BASE), CHANGED: Column(CHANGED)}
    return Table(rows, "Both replays decide for the same cars", columns)


def _waits(base: Side, changed: Side) -> Any:
    return ecdf(
        "Waits of the cars that asked",
        "The share of cars that waits at most so long, as it was and changed.",
        {BASE: minutes(base.asked, "wait_s").tolist(),
         CHANGED: minutes(changed.asked, "wait_s").tolist()},
        "wait (min)",
    )  # fmt: skip


def _taken(base: Side, changed: Side) -> Any:
    steps = int((base.ends_s - base.begins_s) / STEP_S)
    hours = [n * STEP_S / 3_600.0 for n in range(steps + 1)]
    at_s = [base.begins_s + hour * 3_600.0 for hour in hours]
    return lines(
        "Plugs taken over the day",
        "The share of all plugs at which a car stands, by local time.",
        {BASE: Line(hours, base.taken_at(at_s)), CHANGED: Line(hours, changed.taken_at(at_s))},
        "local time",
        "share of plugs taken",
        clock=True,
    )


def _busiest(told: Mapping[str, Any]) -> Any:
    """The stations at which most changes."""
    rows = [row for row in told["stations"] if row["served"] or row["base_served"]][:MOST_BARS]
    drawn = []
    for row in rows:
        name = row["name"] or row["station_id"]
        drawn.append(Bar(name, row["base_mean_wait_min"] or 0.0, series=BASE))
        drawn.append(Bar(name, row["mean_wait_min"] or 0.0, series=CHANGED))
    return bars(
        "Waits where most changes",
        f"Mean wait at the {len(rows)} stations whose plugs and cars change most.",
        drawn,
        "mean wait (min)",
    )


def _map(told: Mapping[str, Any], stations: Sequence[Station]) -> Any:
    """Stations by what becomes of their plugs."""
    middle = (
        sum(s.latitude_deg for s in stations) / len(stations),
        sum(s.longitude_deg for s in stations) / len(stations),
    )
    rows = {row["station_id"]: row for row in told["stations"]}
    places = []
    for station in stations:
        row = rows[station.station_id]
        more = row["plugs"] - row["base_plugs"]
        kind = "unchanged" if not more else f"{'more' if more > 0 else 'fewer'} plugs"
        label = (station.name or station.station_id) if len(stations) <= MOST_NAMES else ""
        places.append(
            Place.at(station.latitude_deg, station.longitude_deg, middle, kind,
                     float(row["plugs"] or row["base_plugs"]), row["utilisation"], label)
        )  # fmt: skip
    links: list[Link] = []
    return scatter(
        "The district, changed",
        "Stations by number of plugs; the darker on light (the brighter on dark), the longer their"
        " plugs are taken.",
        places,
        links,
    )


def _stations(told: Mapping[str, Any]) -> Table:
    columns = {
        "station_id": Column("station"), "name": Column("name"),
        "base_plugs": Column("plugs"), "plugs": Column("plugs, changed"),
        "base_served": Column("cars"), "served": Column("cars, changed"),
        "base_mean_wait_min": Column("wait", "min"),
        "mean_wait_min": Column("wait, changed", "min"),
        "base_utilisation": Column("taken", digits=3),
        "utilisation": Column("taken, changed", digits=3),
        "base_turned_away": Column("left in vain"),
        "turned_away": Column("left in vain, changed"),
    }  # fmt: skip
    return Table(told["stations"], "Every station, the most changed first", columns)
