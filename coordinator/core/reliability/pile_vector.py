"""Piles as vectors: what a pile is and how it was used, in named columns with a schema hash.

One row an EVSE: the patent's pile is what serves one car. Similarity of rows is in
`knowledge_map.py`; the failure model was trained on the same columns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from coordinator.core.pile import Pile
from coordinator.core.recommend.features import schema_sha256 as _sha256

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Words that have a column of their own; anything else shares the column `other`.
TYPES: tuple[str, ...] = ("ac", "dc")
MAKERS: tuple[str, ...] = (
    "abb", "abl", "alfen", "alpitronic", "autel", "bender", "byd", "chargepoint", "delta", "easee",
    "efacec", "evbox", "heidelberg", "kempower", "keba", "mennekes", "phoenixcontact", "schneider",
    "siemens", "starcharge", "teld", "tritium", "wallbox", "webasto",
)  # fmt: skip
MODELS: tuple[str, ...] = (
    "terraac", "terra54", "terra124", "terra184", "emh1", "eve", "hyc150", "hyc300", "maxicharger",
    "cc612", "cc613", "acmax", "dcwallbox", "home", "qc45", "troniq", "energycontrol", "satellite",
    "p30", "p40", "amtroncompact", "amtronprofessional", "charxsec", "evcc", "evlinkpro",
    "versicharge", "rt50", "rtm75", "pulsar", "commander", "next", "unite",
)  # fmt: skip
NUMBERS: tuple[str, ...] = ("age", "hours_used", "mean_charge", "log1p_faults", "log1p_uses")
ATTRIBUTES: tuple[str, ...] = ("type", "maker", "model", *NUMBERS)


def _group(prefix: str, words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{prefix}={word}" for word in (*words, "other", "missing"))


COLUMNS: tuple[str, ...] = (
    _group("type", TYPES)
    + _group("maker", MAKERS)
    + _group("model", MODELS)
    + NUMBERS
    + tuple(f"{name}=missing" for name in NUMBERS)
)
COLUMN: dict[str, int] = {name: index for index, name in enumerate(COLUMNS)}
_FIRST_NUMBER = COLUMN[NUMBERS[0]]
SCHEMA_SHA256: str = _sha256(COLUMNS)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of n EVSEs; "" and NaN mean unknown. Counts cover the time of observation.

    Source: US 12,393,974 B2, claim 2, step 410.
    """

    kind: Sequence[str]
    maker: Sequence[str]
    model: Sequence[str]
    age_years: Float64
    hours_used: Float64
    mean_charge_min: Float64
    faults: Float64
    uses: Float64

    def numbers(self) -> Float64:
        """The five numbers before scaling, shape (n, 5), in the order of `NUMBERS`."""
        return np.column_stack(
            [
                self.age_years,
                self.hours_used,
                self.mean_charge_min,
                np.log1p(self.faults),
                np.log1p(self.uses),
            ]
        )

    def without_faults(self) -> Facts:
        """The same with unknown fault counts, for a prior to which the counts are added later."""
        return replace(self, faults=np.full(len(self.kind), np.nan))


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers that are mapped to 0 and to 1, shape (5,) each.

    Source: US 12,393,974 B2, claim 2, step 410.
    """

    low: Float64
    high: Float64


# Fixed ends, so that a model trained once means the same in every fleet: 0-12 years, 0-20,000
# hours, 0-120 minutes, 0-20 faults, 0-20,000 uses.
REFERENCE = Scale(
    np.zeros(5),
    np.array([12.0, 20_000.0, 120.0, np.log1p(20.0), np.log1p(20_000.0)]),
)


def fleet_scale(facts: Facts) -> Scale:
    """The 5 % and 95 % quantiles of this fleet; where nothing is known, those of `REFERENCE`.

    Source: US 12,393,974 B2, claim 2, step 410.
    """
    numbers = facts.numbers()
    low, high = REFERENCE.low.copy(), REFERENCE.high.copy()
    for column in range(numbers.shape[1]):
        known = numbers[~np.isnan(numbers[:, column]), column]
        if known.size and np.ptp(known) > 0:
            low[column], high[column] = np.quantile(known, [0.05, 0.95])
            if high[column] <= low[column]:
                low[column], high[column] = known.min(), known.max()
    return Scale(low, high)


def vectors(facts: Facts, scale: Scale) -> Float32:
    """Pile vectors, shape (n, len(COLUMNS)) float32, every value in [0, 1].

    Source: US 12,393,974 B2, claim 2, step 410.
    """
    n = len(facts.kind)
    out = np.zeros((n, len(COLUMNS)), dtype=np.float32)
    rows = np.arange(n)
    for prefix, words, values in (
        ("type", TYPES, facts.kind),
        ("maker", MAKERS, facts.maker),
        ("model", MODELS, facts.model),
    ):
        seen: dict[str, int] = {}
        for value in set(values):
            seen[value] = COLUMN[f"{prefix}={_word(value, words)}"]
        out[rows, [seen[value] for value in values]] = 1.0
    numbers = facts.numbers()
    missing = np.isnan(numbers)
    scaled = np.clip((numbers - scale.low) / (scale.high - scale.low), 0.0, 1.0)
    out[:, _FIRST_NUMBER : _FIRST_NUMBER + 5] = np.where(missing, 0.0, scaled)
    out[:, _FIRST_NUMBER + 5 : _FIRST_NUMBER + 10] = missing
    return out


def select(rows: Float32, attributes: Sequence[str]) -> Float32:
    """The columns of some attributes only: any non-empty part of claim 2.

    Attributes are those of `ATTRIBUTES`. Raises ValueError for an empty list or an unknown name.

    Source: US 12,393,974 B2, claim 2, "at least one of".
    """
    kept = [i for i, column in enumerate(COLUMNS) if column.split("=")[0] in known(attributes)]
    return rows[:, kept]


def attribute_values(rows: Float32, attributes: Sequence[str] = ATTRIBUTES) -> Float32:
    """One column an attribute, shape (n, len(attributes)): equal values mean the same; NaN unknown.

    Words are numbers of their columns, numbers are tenths of the scale, so that nearly equal ages
    are the same age. Raises ValueError for an empty list or an unknown name.

    Source: US 12,393,974 B2, claim 2, step 410.

    >>> vector = np.zeros((1, len(COLUMNS)), dtype=np.float32)
    >>> vector[0, [COLUMN["maker=abb"], COLUMN["model=missing"], COLUMN["age"]]] = 1, 1, 0.34
    >>> attribute_values(vector, ["maker", "model", "age"]).tolist()
    [[0.0, nan, 3.0]]
    """
    out = np.empty((len(rows), len(known(attributes))), dtype=np.float32)
    for place, name in enumerate(attributes):
        if name in NUMBERS:
            values = np.minimum(np.floor(10.0 * rows[:, COLUMN[name]]), 9.0)
            unknown = rows[:, COLUMN[f"{name}=missing"]] > 0
        else:
            group = [i for i, column in enumerate(COLUMNS) if column.split("=")[0] == name]
            values = rows[:, group].argmax(axis=1)
            unknown = values == len(group) - 1
        out[:, place] = np.where(unknown, np.nan, values)
    return out


def known(attributes: Sequence[str]) -> Sequence[str]:
    """The attributes, if there is at least one and each exists; raises ValueError otherwise.

    Source: US 12,393,974 B2, claim 2, step 410.
    """
    unknown = [name for name in attributes if name not in ATTRIBUTES]
    if unknown or not attributes:
        raise ValueError(f"attributes {unknown or list(attributes)}; known are {list(ATTRIBUTES)}")
    return attributes


class Counted(Protocol):
    """What facts are made of: a `District`, or a copy of these columns of one.

    Source: US 12,393,974 B2, claim 2, step 410.
    """

    @property
    def piles(self) -> Sequence[Pile]:
        """Piles; `pile` leads from an EVSE to its own."""

    @property
    def pile(self) -> NDArray[np.int32]:
        """Row of `piles`, by EVSE."""

    @property
    def dc(self) -> NDArray[np.bool_]:
        """Whether it gives direct current."""

    @property
    def session_count(self) -> NDArray[np.int32]:
        """Sessions begun."""

    @property
    def charging_s(self) -> NDArray[np.float64]:
        """Seconds of charging."""

    @property
    def fault_count(self) -> NDArray[np.int32]:
        """Unplanned outages."""

    @property
    def exposure_days(self) -> NDArray[np.float64]:
        """Days of observation."""


def facts_of(district: Counted, now_s: float) -> Facts:
    """The facts of every EVSE of a district as they stand at domain time `now_s`.

    An EVSE never observed has unknown counts, not zero; one never used has no mean charge.

    Source: US 12,393,974 B2, claims 2, 13, step 410.
    """
    piles = [district.piles[row] for row in district.pile]
    born_s = np.array(
        [np.nan if p.commissioned_at_s is None else p.commissioned_at_s for p in piles],
        dtype=np.float64,
    )
    uses = district.session_count.astype(np.float64)
    observed = (district.exposure_days > 0) | (uses > 0) | (district.fault_count > 0)
    hours = district.charging_s / 3600.0
    return Facts(
        kind=["dc" if dc else "ac" for dc in district.dc],
        maker=[p.maker for p in piles],
        model=[p.model for p in piles],
        age_years=np.maximum((now_s - born_s) / (365.25 * 86_400.0), 0.0),
        hours_used=np.where(observed, hours, np.nan),
        mean_charge_min=np.where(uses > 0, 60.0 * hours / np.maximum(uses, 1.0), np.nan),
        faults=np.where(observed, district.fault_count.astype(np.float64), np.nan),
        uses=np.where(observed, uses, np.nan),
    )


def _word(value: str, words: tuple[str, ...]) -> str:
    """The column word of a name: letters and digits only; makers also match as the first word.

    >>> _word("Terra AC", MODELS), _word("ABB E-mobility", MAKERS), _word("Acme", MAKERS)
    ('terraac', 'abb', 'other')
    """
    plain = re.sub(r"[^a-z0-9]", "", value.lower())
    if not plain:
        return "missing"
    first = re.split(r"[^a-z0-9]", value.strip().lower())[0]
    for candidate in (plain, first):
        if candidate in words:
            return candidate
    longest = max((word for word in words if plain.startswith(word)), key=len, default="")
    return longest if len(longest) >= 4 else "other"
