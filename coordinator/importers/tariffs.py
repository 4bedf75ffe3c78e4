"""Tariffs from OCPI JSON or from our CSV, one row a priced dimension."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from coordinator.core.pile import Tariff, TariffElement
from coordinator.core.tariff_faults import element_faults
from coordinator.importers.ocpi import entries
from coordinator.importers.rows import Cells, collect, read_json, read_table
from coordinator.importers.words import valid_id

WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
COLUMNS = (
    "tariff_id",
    "currency",
    "dimension",
    "price",
    "start_time",
    "end_time",
    "weekdays",
    "time_zone",
)


def load_tariffs(path: Path) -> list[Tariff]:
    """Tariffs of a file: .json is OCPI, else CSV; raises `ImportInvalid` naming all bad rows."""
    path = Path(path)
    if path.suffix.lower() == ".json":
        return collect(path, entries(read_json(path), "tariffs"), _from_ocpi)
    tariffs: dict[str, Tariff] = {}
    for _, row in read_table(path, COLUMNS[:4], _from_row, COLUMNS):
        known = tariffs.setdefault(row.tariff_id, replace(row, elements=()))
        tariffs[row.tariff_id] = replace(known, elements=known.elements + row.elements)
    return list(tariffs.values())


def _from_row(cells: Cells) -> Tariff:
    element = TariffElement(
        cells.text("dimension").upper(),
        cells.number("price", -1e6, 1e6),
        cells.text("start_time", ""),
        cells.text("end_time", ""),
        tuple(_weekday(word) for word in cells.words("weekdays")),
    )
    _check(element)
    tariff_id = valid_id(cells.text("tariff_id"))
    zone = cells.text("time_zone", "UTC")
    return Tariff(tariff_id, _currency(cells.text("currency")), (element,), zone)


def _from_ocpi(tariff: dict[str, Any]) -> Tariff:
    elements: list[TariffElement] = []
    for number, element in enumerate(tariff["elements"]):
        limits = element.get("restrictions") or {}
        days = tuple(_weekday(day) for day in limits.get("day_of_week") or [])
        for component in element["price_components"]:
            made = TariffElement(
                str(component["type"]),
                _price(component["price"], f"elements[{number}]."),
                str(limits.get("start_time") or ""),
                str(limits.get("end_time") or ""),
                days,
            )
            _check(made, f"elements[{number}].")
            elements.append(made)
    return Tariff(valid_id(str(tariff["id"])), _currency(str(tariff["currency"])), tuple(elements))


def _price(value: Any, where: str) -> float:
    try:
        return float(value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{where}price is {str(value)[:40]!r}, not a number") from None


def _check(element: TariffElement, where: str = "") -> None:
    if faults := [f"{where}{name} {fault}" for name, fault in element_faults(element)]:
        raise ValueError("; ".join(faults))


def _currency(code: str) -> str:
    if len(code) != 3 or not code.isalpha():
        raise ValueError(f"currency is {code!r}, not an ISO 4217 code")
    return code.upper()


def _weekday(word: str) -> int:
    """1 for Monday to 7, from OCPI's word or the number."""
    if word.isdigit() and 1 <= int(word) <= 7:
        return int(word)
    if word.upper() not in WEEKDAYS:
        raise ValueError(f"weekday is {word!r}, not one of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(word.upper()) + 1
