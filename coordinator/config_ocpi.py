"""The section `[ocpi]`: who publishes what is exported as OCPI.

Other sections are in `config.py`; how it is written is in `importers/ocpi_out.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any
from zoneinfo import available_timezones

import msgspec

from coordinator.errors import Problem


class OcpiSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The party; defaults are codes that ISO 3166 leaves to users.

    An EVSE id as eMI3 writes it, DE*ABC*E001, says country and party by itself.
    """

    country_code: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$")] = "ZZ"
    party_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{3}$")] = "PIL"
    # ISO 3166-1 alpha-3, of the stations.
    country: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")] = "ZZZ"
    city: Annotated[str, msgspec.Meta(max_length=45)] = ""
    # IANA name, e.g. Asia/Shanghai.
    time_zone: str = "UTC"


def ocpi_faults(section: Any, where: Callable[[str], str]) -> Iterator[Problem]:
    """What its types cannot show; `where` gives file and line of a key."""
    zone = section.get("time_zone") if isinstance(section, dict) else None
    if isinstance(zone, str) and zone not in available_timezones():
        text = f"time_zone {zone!r} is no name of the time zone database"
        yield Problem("CFG-005", where("time_zone"), text, hint="for example Asia/Shanghai")
