"""The section `[city]`: the districts below a city, and how they are asked.

Other sections are in `config.py`; who calls the city is asked by `[identity]`, as in a district.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from coordinator.addresses import is_loopback, split_address
from coordinator.errors import Problem

Positive = Annotated[float, msgspec.Meta(gt=0)]
_NAME = re.compile(r"[A-Za-z0-9._:*-]{1,64}")


class CitySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a coordinator with role = "city" asks, and how."""

    # host:port of each district by its name; their areas are learnt from their stations.
    districts: dict[str, str] = {}
    # A file with the token that districts take, of the scope district; read before each call.
    token_file: str = ""
    # PEM: the authority of the districts' certificates; empty means that they speak without TLS.
    ca_file: str = ""
    # Seconds that a district has for its candidates; who is later is left out, and named.
    find_s: Positive = 1.0
    # Seconds that a district has for any other call.
    call_s: Positive = 5.0
    # Most districts asked for one car, the nearest.
    asked_at_most: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    # Most calls under way at one district, so that a slow one does not hold the city.
    calls_at_once: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 64


def city_faults(data: dict[str, Any], where: Callable[[str], str]) -> Iterator[Problem]:
    """What its types cannot show, and what goes with the role; `where` takes a dotted key."""
    own, city = data.get("coordinator"), data.get("city")
    role = own.get("role", "district") if isinstance(own, dict) else "district"
    if role == "district":
        if isinstance(own, dict) and "data_dir" not in own:
            yield Problem("CFG-004", where("coordinator"), "coordinator.data_dir is missing")
        return
    districts = city.get("districts") if isinstance(city, dict) else None
    if role != "city" or not (districts is None or isinstance(districts, dict)):
        return  # told elsewhere
    web = data.get("web")
    if isinstance(web, dict) and (web.get("listen") or web.get("token_file")):
        text = "web: a city serves no page; nobody would listen there"
        hint = "leave [web] out: each district serves its own, see docs/districts.md"
        yield Problem("CFG-005", where("web"), text, hint=hint)
    if not districts:
        text, hint = "a city needs its districts", 'e.g. districts = { west = "127.0.0.1:50051" }'
        yield Problem("CFG-004", where("city.districts"), text, hint=hint)
    secured = bool(isinstance(city, dict) and city.get("ca_file"))
    for name, address in (districts or {}).items():
        yield from _district_faults(name, address, where("city.districts"), secured=secured)
    for key in ("token_file", "ca_file"):
        given = city.get(key) if isinstance(city, dict) else ""
        if isinstance(given, str) and given and not Path(given).is_file():
            text = f"{key}: {given} is no file that can be read"
            yield Problem("CFG-013", where(f"city.{key}"), text, hint="see docs/districts.md")


def _district_faults(name: str, address: Any, where: str, *, secured: bool) -> Iterator[Problem]:
    if not _NAME.fullmatch(name):
        text = f"districts: {name!r} is no name of a district"
        yield Problem("CFG-005", where, text, hint="letters, digits and . _ : * - up to 64")
    if not isinstance(address, str):
        return
    try:
        host, _ = split_address(address)
    except ValueError as error:
        yield Problem("CFG-012", where, f"districts: {name}: {error}", hint='"127.0.0.1:50051"')
        return
    if not secured and not is_loopback(host):
        text = f"districts: {name}: {host} is another machine, and ca_file is not given"
        yield Problem("CFG-010", where, text, hint="name city.ca_file; see docs/districts.md")
