"""Single values: such as a good client sends for a field of this name, and such as nobody should.

Names of the district that the rooms play stand here too. Whole messages are in `message.py`.
"""

from __future__ import annotations

import random

PILES = tuple(f"A-{n:02d}" for n in range(1, 9))
EVSES = tuple(f"{pile}*1" for pile in PILES)
OCPP_PILES = {
    "ocpp1.6": tuple(f"O-{n}" for n in range(1, 7)),
    "ocpp2.0.1": tuple(f"O-{n}" for n in range(7, 13)),
}
STATIONS = ("S-A", "S-B")
CARS = tuple(f"car-{n}" for n in range(12))
USERS = tuple(f"user-{n}" for n in range(6))
# Stand for recommendations that the district has made; put in when the bytes are sent.
LIVE = tuple(f"00000000-0000-7000-8000-{n:012d}" for n in range(1, 9))
HERE = (22.5400, 114.0500)

NAMES = {
    "pile_id": PILES,
    "pile_ids": PILES,
    "from_pile_id": PILES,
    "to_pile_id": PILES,
    "evse_id": EVSES,
    "evse_ids": EVSES,
    "until_evse_ids": EVSES,
    "from_evse_id": EVSES,
    "to_evse_id": EVSES,
    "second_evse_id": EVSES,
    "station_id": STATIONS,
    "station_ids": STATIONS,
    "last_station_id": STATIONS,
    "vehicle_id": CARS,
    "vehicle_ids": CARS,
    "other_vehicle_id": CARS,
    "user_id": USERS,
    "agent_id": ("fuzz-1", "fuzz-2", "fuzz-3"),
    "spool_id": ("spool-1", "spool-2", "spool-3"),
    "recommendation_id": LIVE,
    "claim_id": LIVE,
    "request_id": tuple(f"request-{n}" for n in range(20)),
    "page_token": ("", "0", "3", "S-A"),
    "tariff_id": ("T1", "T2"),
    "currency": ("CNY", "EUR"),
    "language": ("en", "zh-CN", "zh", "de"),
    "connector_id": ("1", "2"),
    "fault": ("ground_failure", "over_temperature", "", "silent"),
    "input": ("ambient_c", "mains_v"),
    "id_token": ("", "DEADBEEF"),
    "algorithm": ("anchored", "printed", "printed_mended"),
    "attributes": ("maker", "model", "age"),
    "name": ("people_flow_per_h", "ambient_temperature_c", "quick", "traffic_grade", "Harbour"),
    "dimension": ("ENERGY", "TIME", "FLAT", "PARKING_TIME"),
    "start_time": ("08:00", "22:00"),
    "end_time": ("12:00", "23:59"),
    "time_zone": ("Asia/Shanghai", "UTC"),
    "format": ("csv", "json", "sqlite"),
    "kind": ("sessions", "requests", "piles"),
    "kinds": ("STATUS", "AGENT", "FAULT"),
    "reason": ("", "changed my mind"),
    "toml": ("[agent]\nperiod_s = 5\n", 'name = "x"\n'),
    "opening_hours": ("24/7", "Mo-Su 06:00-23:00"),
    "vendor_code": ("E12",),
    "fault_code": ("CX001", "GroundFailure"),
}

STRINGS = (
    "",
    "\x00",
    "A-01\x00*1",
    "\u202egnp.exe\u2066",
    "'; DROP TABLE step; --",
    '" OR ""="',
    "\\\n\r\t",
    "../../../../etc/passwd",
    "/dev/zero",
    "%s%n%x{0}{!r}",
    "nan",
    "-0",
    "9" * 400,
    "1e999",
    "\uffff\ufffd\U0010ffff",
    "ﷺ" * 300,
    "e\u0301" * 100,
    "<script>alert(1)</script>",
    "x" * 65,
    "x" * 257,
    "x" * 20_000,
    " A-01 ",
    "A-01\n",
    "٣",
    "²",
    "Ⅷ",
    "0x10",
    "1_000",
    "25:61",
    "2026-13-45T99:99:99Z",
    "Mars/Olympus",
)
FLOATS = (
    float("nan"),
    float("inf"),
    float("-inf"),
    -0.0,
    0.0,
    -1.0,
    1e-320,
    5e-324,
    1e38,
    3.4e38,
    -1e38,
    1e300,
    1.7e308,
    -1.7e308,
    90.0000001,
    180.5,
    101.0,
    1e15,
    2.0**53,
    2.0**63,
    -(2.0**63),
    2.0**64,
    0.1,
)
INTEGERS = (0, 1, -1, 2, 7, 127, 128, 255, 256, 1000, 65_535, 65_536, 10**6, 2**31 - 1, 2**31,
            -(2**31), 2**32 - 1, 10**12, 253_402_300_800, 2**53, 2**62, 2**63 - 1, -(2**63),
            2**64 - 1)  # fmt: skip
ENUMS = (-1, 0, 1, 2, 3, 5, 11, 43, 99, 2**31 - 1, -(2**31))


def hostile_text(rng: random.Random) -> str:
    """A string that quotes, hides, overflows, or means something to somebody else."""
    if rng.random() < 0.2:
        return "".join(chr(_point(rng)) for _ in range(rng.randrange(1, 40)))
    return rng.choice(STRINGS)


def _point(rng: random.Random) -> int:
    """Any character but a surrogate, which no UTF-8 holds."""
    point = rng.choice((rng.randrange(0x20), rng.randrange(0x300), rng.randrange(0x110000)))
    return point if not 0xD800 <= point <= 0xDFFF else 0x3042


def plausible_text(name: str, rng: random.Random) -> str:
    """What a good client says in a field of this name."""
    known = NAMES.get(name)
    return rng.choice(known) if known else rng.choice(("one", "two", "three"))


def plausible_number(name: str, rng: random.Random) -> float:
    """What a good client says in a field of this name, by the unit that ends it."""
    if name.startswith(("latitude", "south", "north")):
        return HERE[0] + rng.uniform(-0.05, 0.05)
    if name.startswith(("longitude", "west", "east")):
        return HERE[1] + rng.uniform(-0.05, 0.05)
    if name == "battery_kwh":
        return rng.choice((40.0, 60.0, 90.0))
    if name == "soc_pct":
        return rng.uniform(5, 60)
    for ending, most in (("_pct", 100), ("_rate", 1), ("_share", 1), ("_kw", 120), ("_kwh", 50),
                         ("_km", 20), ("_s", 300), ("_v", 400), ("_a", 32), ("_c", 40),
                         ("kwh_per_km", 0.3)):  # fmt: skip
        if name.endswith(ending):
            return rng.uniform(0, most)
    return rng.uniform(0, 1)


def plausible_integer(name: str, rng: random.Random, at_ms: int) -> int:
    """What a good client says in a field of this name; instants are near `at_ms`."""
    if name.endswith("_at_ms"):
        return at_ms + rng.randrange(-60_000, 60_000)
    if name == "seconds":
        return at_ms // 1000 + rng.randrange(-3_600, 7_200)
    if name == "nanos":
        return rng.randrange(10**9)
    if name == "micros":
        return rng.randrange(5_000_000)
    if name in ("first_record_seq", "next_record_seq"):
        return rng.randrange(1, 500)
    return rng.choice((0, 1, 1, 1, 2, 3, 8))
