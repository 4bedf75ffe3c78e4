"""Values by their JSON schema, as OCPP has one for each message: good ones, and such as nobody
should send. What JSON text becomes of them is in `text.py`.
"""

from __future__ import annotations

import random
from typing import Any

from bench.fuzz.text import strange

# What a charge point with two EVSEs says in properties of these names.
_KNOWN: dict[str, tuple[Any, ...]] = {
    "connectorId": (0, 1, 1, 2),
    "evseId": (0, 1, 1, 2),
    "id": (1, 2),
    "transactionId": (1, 2, 3, 77),
    "idTag": ("A1", "B2", "nobody"),
    "meterStart": (0, 12_000),
    "meterStop": (12_500, 13_000),
    "seqNo": (0, 1, 2, 3),
    "requestId": (1, 2),
    "reservationId": (1, 2),
    "value": ("12000", "7.4", "230"),
    "vendorId": ("pilewise.test",),
    "timestamp": ("2026-11-26T09:00:00Z", "2026-11-26T09:00:00.123+08:00"),
}


def value_of(
    rng: random.Random, schema: dict[str, Any], root: dict[str, Any], hostility: float, name: str
) -> Any:
    """A value of this schema; `hostility` is the share of places that hold something strange.

    >>> value_of(random.Random(1), {"type": "integer"}, {}, 0.0, "evseId") in (0, 1, 2)
    True
    """
    if rng.random() < hostility:
        return strange(rng)
    while "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind = schema.get("type", "string")
    if kind == "object":
        return _object(rng, schema, root, hostility)
    if kind == "array":
        items = schema.get("items", {})
        least = schema.get("minItems", 0)
        count = max(least, rng.choice((1, 1, 2)))
        return [value_of(rng, items, root, hostility, name) for _ in range(count)]
    if kind == "boolean":
        return rng.random() < 0.5
    if kind in ("integer", "number"):
        known = [v for v in _KNOWN.get(name, (0, 1, 2)) if isinstance(v, int)]
        return rng.choice(known or [1])
    if schema.get("format") == "date-time":
        return rng.choice(_KNOWN["timestamp"])
    known = [v for v in _KNOWN.get(name, ("one",)) if isinstance(v, str)]
    return str(rng.choice(known or ["one"]))[: schema.get("maxLength", 100)]


def _object(
    rng: random.Random, schema: dict[str, Any], root: dict[str, Any], hostility: float
) -> dict[str, Any]:
    needed = set(schema.get("required", ()))
    made = {}
    for name, inner in schema.get("properties", {}).items():
        if name == "customData" or not (name in needed or rng.random() < 0.4):
            continue
        made[name] = value_of(rng, inner, root, hostility, name)
    return made
