"""Users, roads, owners and planned outages from CSV files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from coordinator.core.pile import PlannedOutage, User
from coordinator.core.report import IDENTIFIER
from coordinator.core.usual import habit_fault
from coordinator.importers.rows import Cells, read_table
from coordinator.usecases.telemetry import Road

USER_COLUMNS = ("user_id", "vip", "vip_until", "vehicle_model", "vehicle_ids", "habits")
ROAD_COLUMNS = (
    "from_node",
    "to_node",
    "from_latitude_deg",
    "from_longitude_deg",
    "to_latitude_deg",
    "to_longitude_deg",
    "length_km",
    "free_speed_kmh",
    "two_way",
    "grade_by_hour",
)
OWNER_COLUMNS = ("pile_id", "agent_id")
OUTAGE_COLUMNS = ("from", "to", "evse_id", "station_id", "reason")


def load_users(path: Path) -> list[User]:
    """Users of a CSV file; raises `ImportInvalid` naming all bad rows."""
    return [user for _, user in read_table(Path(path), USER_COLUMNS[:1], _user, USER_COLUMNS)]


def load_roads(path: Path) -> list[Road]:
    """Edges of a CSV file, WGS84; raises `ImportInvalid` naming all bad rows."""
    return [road for _, road in read_table(Path(path), ROAD_COLUMNS[:8], _road, ROAD_COLUMNS)]


def load_owners(path: Path) -> dict[str, str]:
    """Pile to the agent that speaks for it; raises `ImportInvalid` naming all bad rows."""
    return dict(row for _, row in read_table(Path(path), OWNER_COLUMNS, _owner, OWNER_COLUMNS))


def load_outages(path: Path) -> list[PlannedOutage]:
    """Planned outages of a CSV file; raises `ImportInvalid` naming all bad rows."""
    return [
        outage for _, outage in read_table(Path(path), OUTAGE_COLUMNS[:2], _outage, OUTAGE_COLUMNS)
    ]


def _outage(cells: Cells) -> PlannedOutage:
    evse_id, station_id = cells.text("evse_id", ""), cells.text("station_id", "")
    if bool(evse_id) == bool(station_id):
        raise ValueError("evse_id or station_id, exactly one of them")
    from_s, to_s = instant(cells.text("from")), instant(cells.text("to"))
    if to_s <= from_s:
        raise ValueError("to is not after from")
    return PlannedOutage(from_s, to_s, evse_id, station_id, cells.text("reason", ""))


def _user(cells: Cells) -> User:
    until = cells.text("vip_until", "")
    return User(
        user_id=identifier(cells, "user_id"),
        vip=yes(cells, "vip"),
        vip_until_s=instant(until) if until else None,
        vehicle_model=cells.text("vehicle_model", ""),
        habits=dict(_habit(word) for word in cells.words("habits")),
        vehicle_ids=cells.words("vehicle_ids"),
    )


def _habit(word: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not (name.strip() and sign and value.strip()):
        raise ValueError(f"habits: {word!r} is not name=value")
    if fault := habit_fault(name.strip(), value):
        raise ValueError(f"habits: {name.strip()} {fault}")
    return name.strip(), value.strip()


def _road(cells: Cells) -> Road:
    grades = tuple(float(word) for word in cells.words("grade_by_hour"))
    if len(grades) not in (0, 24) or not all(1 <= grade <= 5 for grade in grades):
        raise ValueError("grade_by_hour must be 24 grades from 1 to 5, or empty")
    return Road(
        identifier(cells, "from_node"),
        identifier(cells, "to_node"),
        _place(cells, "from"),
        _place(cells, "to"),
        cells.number("length_km", 1e-6, 1_000),
        cells.number("free_speed_kmh", 1, 200),
        grades,
        yes(cells, "two_way"),
    )


def _place(cells: Cells, end: str) -> tuple[float, float]:
    latitude = cells.number(f"{end}_latitude_deg", -90, 90)
    return latitude, cells.number(f"{end}_longitude_deg", -180, 180)


def _owner(cells: Cells) -> tuple[str, str]:
    return identifier(cells, "pile_id"), identifier(cells, "agent_id")


def identifier(cells: Cells, name: str) -> str:
    """The identifier in a cell; raises ValueError if it is none."""
    text = cells.text(name)
    if not IDENTIFIER.fullmatch(text):
        raise ValueError(f"{name} {text!r} must match [A-Za-z0-9._:*-]{{1,64}}")
    return text


def yes(cells: Cells, name: str) -> bool:
    """Whether a cell says so; an empty one does not."""
    word = cells.text(name, "false").lower()
    if word not in ("true", "false", "1", "0", "yes", "no"):
        raise ValueError(f"{name} is {word!r}, not true or false")
    return word in ("true", "1", "yes")


def instant(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 instant with its offset."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no ISO 8601 instant") from None
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} lacks its offset, e.g. Z")
    return instant.timestamp()
