"""Claims as they travel to PostgreSQL and back; leases travel as seconds that are left.

When is in `postgres.py`; what the database does with them is in `postgres_schema.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.areas.ledger import Claim, ClaimState, Moment, Step
from coordinator.core.vehicle import WarningLevel
from coordinator.store.claims_tokens import Row
from coordinator.usecases.ledger import KeptAnswer

_MOST_LEFT_S = 1e9  # as JSON has no infinity
_LAPSES = frozenset({ClaimState.EXPIRED, ClaimState.NO_SHOW})
_HELD = frozenset({ClaimState.OFFERED, ClaimState.CONFIRMED})


def _base_s(state: int, moment: Moment) -> float:
    """The time by which a claim in this state lapses: link time for offers, else domain time."""
    return moment.link_s if state == ClaimState.OFFERED else moment.now_s


def claim_of(row: list[Any], moment: Moment) -> tuple[Claim, str]:
    """A stored claim as it is here, with the id of the step that wrote it."""
    (claim_id, evse_id, vehicle_id, from_s, to_s, level, state, left_s,
     revision, recommendation_id, moving, future, step_id) = row  # fmt: skip
    claim = Claim(
        claim_id, evse_id, vehicle_id, float(from_s), float(to_s), WarningLevel(level),
        ClaimState(state), _base_s(state, moment) + left_s, revision, recommendation_id,
        moving, future,
    )  # fmt: skip
    return claim, step_id


def _row_of(claim: Claim, moment: Moment) -> tuple[Any, ...]:
    left_s = claim.lease_until_s - _base_s(claim.state, moment)
    return (
        claim.claim_id, claim.evse_id, claim.vehicle_id, claim.from_s, claim.to_s,
        int(claim.level), int(claim.state), min(max(left_s, -_MOST_LEFT_S), _MOST_LEFT_S),
        claim.revision, claim.recommendation_id, claim.moving, claim.future,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """What a step says to the database: whole claims before and after, and whom it concerns."""

    before: dict[str, Claim]  # by claim_id, those that were there
    after: dict[str, Claim]
    evses: list[str]
    cars: list[str]
    ids: list[str]  # claims that are looked up if the step does not fit


@dataclass(frozen=True, slots=True)
class Sent:
    """A step on its way, with what is needed when its outcome comes."""

    step_id: str
    step: Step
    says: Written
    moment: Moment
    tokens: list[Row]
    earlier: dict[str, str | None]  # who wrote each of its claims before it
    answers: Sequence[KeptAnswer]

    @property
    def untold(self) -> list[str]:
        """Its new claims of recommendations that had no place before: nobody was told of them.

        A claim that stands in the place of another of its recommendation is that car's only one.
        """
        had = {claim.recommendation_id for claim in self.says.before.values()}
        fresh = (claim for name, claim in self.says.after.items() if name not in self.says.before)
        return [
            c.claim_id for c in fresh if not c.recommendation_id or c.recommendation_id not in had
        ]


def written(step: Step, table: ClaimTable) -> Written:
    """A step without what it changed more than once."""
    before: dict[str, Claim | None] = {}
    after: dict[str, Claim] = {}
    for new, old in zip(step.after, step.before, strict=True):
        before.setdefault(new.claim_id, old)
        after[new.claim_id] = new
    claims = [*after.values(), *(claim for claim in before.values() if claim is not None)]
    evses = sorted({claim.evse_id for claim in claims})
    cars = sorted({claim.vehicle_id for claim in claims if claim.vehicle_id})
    ids = after.keys() | {claim.claim_id for claim in around(table, evses, cars)}
    there = {name: claim for name, claim in before.items() if claim is not None}
    return Written(there, after, evses, cars, sorted(ids))


def around(table: ClaimTable, evses: Iterable[str], cars: Iterable[str]) -> Iterable[Claim]:
    """The claims here that live on these EVSEs or are of these cars."""
    for evse_id in evses:
        yield from table.on_evse(evse_id)
    for car in cars:
        yield from (*table.of_car(car), *table.windows_of_car(car))


def message(
    says: Written, stamps: Mapping[str, str], moment: Moment, lapsing: bool = True
) -> dict[str, Any]:
    """The step as it is sent; `stamps` gives the step that wrote each claim that was there.

    Unless `lapsing` is off, the database's clock must agree with what the step takes for granted:
    that a claim has lapsed, or that it has not.
    """
    old = []
    for claim_id, claim in says.before.items():
        lapsed, then = None, says.after[claim_id]
        if lapsing and claim.state in _HELD and (then.live or then.state in _LAPSES):
            lapsed = then.state in _LAPSES
        old.append((claim_id, stamps.get(claim_id), lapsed))
    fresh = [c for name, c in says.after.items() if name not in says.before]
    return {
        "old": old,
        "new": [_row_of(claim, moment) for claim in says.after.values()],
        # Who comes to stand in a queue: walk-ins do not, nor do windows of later.
        "queued": [c.evse_id for c in fresh if c.state in _HELD and not c.future],
        "evses": says.evses,
        "cars": says.cars,
        "ids": says.ids,
        "at_s": moment.now_s,
    }
