"""DC sessions with state of charge: the shape of the EPFL data of 2022 and 2023.

One site, and nobody is named; what it knows is how long a charge takes at which power.
"""

from __future__ import annotations

from pathlib import Path

from training.sources.columns import Session, Sessions, sessions_of
from training.sources.files import Column, Schema, SourceInvalid, rows
from training.sources.quality import Quality

SITE = "EPFL"
STAY_MAY_DIFFER_S = 120.0  # arrival and departure are written in whole minutes, and so is the stay

DC_SESSIONS = Schema(
    "dc_sessions",
    (
        Column("Session"),
        Column("CCS", needed=False),
        Column("Arrival", "time"),
        Column("Departure", "time"),
        Column("Stay (min)", "number", needed=False, low=0.0),
        Column("Energy (Wh)", "number", low=0.0),
        Column("Pmax (W)", "number", needed=False, low=0.0),
        Column("SOC arrival", "number", needed=False, low=0.0, high=100.0),
        Column("SOC departure", "number", needed=False, low=0.0, high=100.0),
    ),
    key=("Session",),
    begin="Arrival",
    end="Departure",
    # Each plug serves one car, but the file writes whole minutes: overlaps of a minute are usual.
)


def read_dc_sessions(path: Path, quality: Quality | None = None, strict: bool = True) -> Sessions:
    """The sessions of a file. Raises `SourceInvalid`."""
    quality = quality or Quality()
    read = []
    for row in rows(path, DC_SESSIONS, quality, strict):
        told_s = row["Stay (min)"] * 60.0
        if abs(row["Departure"] - row["Arrival"] - told_s) > STAY_MAY_DIFFER_S:
            quality.clock["stay_disagrees"] += 1
        if row["SOC departure"] < row["SOC arrival"]:
            quality.clock["charge_fell"] += 1
        read.append(
            Session(
                row["Arrival"],
                row["Departure"],
                SITE,
                plug=row["CCS"],
                energy_kwh=row["Energy (Wh)"] / 1000.0,
                start_soc_pct=row["SOC arrival"],
                end_soc_pct=row["SOC departure"],
                power_kw=row["Pmax (W)"] / 1000.0,
            )
        )
    if not read:
        raise SourceInvalid(path, "holds no session", "give a file with sessions")
    return sessions_of(read, {}, {"dropped": float(sum(quality.dropped.values()))})
