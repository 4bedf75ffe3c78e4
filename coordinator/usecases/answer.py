"""What a car is told, as values: the promise, the EVSEs judged, and what led to it.

Compact and typed, so that it can be stored with its claim and read back after a restart. How it
looks on the wire is in `rpc/charging_codec.py`.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Stage(IntEnum):
    """Which of area and pile to show now, numbered as on the wire."""

    AREA = 1
    PILE = 2


class HoldKind(IntEnum):
    """How firmly an EVSE is kept, numbered as on the wire."""

    NONE = 1
    SOFT = 2
    FIRM = 3


class Quality(IntEnum):
    """How well a figure is known, numbered as on the wire."""

    EXACT = 1
    ESTIMATED = 2
    DEFAULT = 3
    UNKNOWN = 4


class Reason(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One reason of a decision; sign +1 speaks for, -1 against; weight is a share, 0-1."""

    code: str
    sign: int
    weight: float
    text: str


class WhyNot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Why an obvious pile was not chosen."""

    evse_id: str
    station_id: str
    station_name: str
    code: str
    text: str


class Change(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Why a promise changed."""

    code: str
    text: str
    from_evse_id: str
    to_evse_id: str


class Reminded(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """By which km the car must charge, and at which station; an empty one is not known."""

    before_km: float
    station_id: str
    code: str
    why: str
    text: str


class Figures(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Columns of the pipeline for one EVSE, in the order in which `figures.py` takes them out.

    NaN and infinity mean unknown.
    """

    eta_s: float
    eta_p90_s: float
    wait_s: float
    wait_p90_s: float
    expected_wait_s: float
    charge_s: float
    energy_kwh: float
    distance_km: float
    detour_km: float
    detour_s: float
    price: float
    power_kw: float
    arrival_soc_pct: float
    failure_rate: float
    p_working: float
    p_free: float
    status_at_s: float
    last_success_at_s: float
    first_score: float
    second_score: float
    merged_score: float
    failure_weight: float
    ranker_share: float
    cost_s: float
    status: int
    status_source: int
    ahead: int
    destination_km: float = float("nan")

    @property
    def percent(self) -> float:
        """The merged score on 0-100, also where the two scores are added."""
        added = self.failure_weight >= 1.0 and self.first_score == self.first_score
        return self.merged_score / 2.0 if added else self.merged_score


class Place(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which EVSE, and where; the same for every car."""

    evse_id: str
    pile_id: str
    station_id: str
    station_name: str
    label: str
    latitude_deg: float
    longitude_deg: float
    operator_url: str

    @property
    def name(self) -> str:
        """What drivers read on the pile, or else the station's name."""
        return self.label or self.station_name or self.pile_id


class Judged(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One EVSE judged for one car; price lines, reasons and summary are told of the choice only."""

    place: Place
    figures: Figures
    confidence: float
    done_at_s: float
    route_quality: Quality
    target_soc_pct: float
    currency: str
    price_lines: tuple[tuple[str, float], ...]
    price_valid_until_s: float | None
    status_age_s: float
    data_quality: str
    situation: str
    reasons: tuple[Reason, ...]
    difference_s: float
    difference_price: float | None
    difference_text: str
    summary: str
    situation_text: str = ""

    @property
    def evse_id(self) -> str:
        """The EVSE."""
        return self.place.evse_id

    @property
    def station_id(self) -> str:
        """Its station."""
        return self.place.station_id


class Hold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is kept for the car; `until_s` is domain time."""

    kind: HoldKind
    claim_id: str = ""
    until_s: float | None = None
    reason: str = ""
    confirmed: bool = False  # the driver took it, or is on the way; kept for training


class Noted(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A value of the surroundings, with who said so and its age when the answer was made."""

    name: str
    value: float
    source: str
    age_s: float


class Decided(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One decision about a promise. `second_more_s` is what the second best cost more, seconds.

    `other_vehicle_id` is the car in whose favour, or at whose expense, it was decided; operators
    read it, the driver never does.
    """

    revision: int
    decided_at_s: float
    level: int
    level_reason: str
    code: str
    from_evse_id: str
    to_evse_id: str
    hold: int
    second_evse_id: str = ""
    second_more_s: float = 0.0
    other_vehicle_id: str = ""


class Answer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A promise in one revision, or why there is none. `judged[0]` is the choice."""

    recommendation_id: str
    request_id: str
    vehicle_id: str
    made_at_s: float
    level: int
    level_reason: str
    language: str
    judged: tuple[Judged, ...] = ()
    hold: Hold = Hold(HoldKind.NONE)
    revision: int = 1
    stage: Stage = Stage.AREA
    area: tuple[str, ...] = ()
    entrance: tuple[float, float] = (0.0, 0.0)  # of the held station, WGS84 degrees
    why_not: tuple[WhyNot, ...] = ()
    degraded: tuple[str, ...] = ()
    relaxed: tuple[str, ...] = ()
    change: Change | None = None
    empty_reason: str = ""
    empty_text: str = ""
    next_free_at_s: float | None = None
    reminder: Reminded | None = None
    context: tuple[Noted, ...] = ()  # values of the surroundings that took part
    defaulted: tuple[str, ...] = ()  # names for which a default stood in
    accept_before_s: float | None = None  # until when the car may accept; None needs no word
    decided: tuple[Decided, ...] = ()  # the account, from the second revision on
    window: tuple[float, float] | None = None  # kept for an arrival then, domain time

    @property
    def choice(self) -> Judged:
        """The object pile; only where something was found."""
        return self.judged[0]
