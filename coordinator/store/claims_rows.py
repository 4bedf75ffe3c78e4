"""The tables of claims.db, and claims as they stand in a row of its journal.

When a row is written, and what is read back at start, is in `claims_sqlite.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

import msgspec
import structlog
from sqlite_utils import Migrations

from coordinator.core.areas.ledger import OFFER_S, Claim, ClaimState, Moment
from coordinator.core.vehicle import WarningLevel
from coordinator.store import claims_tokens, file_epoch
from coordinator.store.rows import RowStatement
from coordinator.usecases.ledger import KeptAnswer

log = structlog.get_logger()

CLAIM_FIELDS = tuple(field.name for field in fields(Claim))

migrations = Migrations("claims")


def _steps(db: Any) -> None:
    """The journal."""
    db["step"].create(
        {
            "seq": int,
            "kind": int,
            "at_s": float,
            "claims": bytes,
            "recommendation_id": str,
            "request_id": str,
            "vehicle_id": str,
            "answer": bytes,
            "request": bytes,
            "inputs": bytes,
        },
        pk="seq",
    )
    db.execute(
        "CREATE INDEX step_recommendation ON step (recommendation_id)"
        " WHERE recommendation_id IS NOT NULL"
    )
    db.execute("CREATE INDEX step_snapshot ON step (seq) WHERE kind = 1")


def _outcomes(db: Any) -> None:
    """What drivers told of how it ended."""
    db["outcome"].create(
        {
            "outcome": int,
            "recommendation_id": str,
            "at_s": float,
            "kind": int,
            "evse_id": str,
            "wait_s": float,
            "price": float,
            "currency": str,
            "comment": str,
        },
        pk="outcome",
    )
    db["outcome"].create_index(["recommendation_id"])


def _fences(db: Any) -> None:
    """The newest fence of each EVSE."""
    db["fence"].create({"evse_id": str, "fence": int}, pk="evse_id", not_null={"fence"})


migrations(name="0001_steps")(_steps)
migrations(name="0002_outcomes")(_outcomes)
migrations(name="0008_fences")(_fences)
migrations(name="0009_tokens")(claims_tokens.migrate)
migrations(name="0013_owner")(file_epoch.migrate)

APPEND = RowStatement(
    "INSERT INTO step (kind, at_s, claims, recommendation_id, request_id, vehicle_id,"
    " answer, request, inputs)",
    9,
)
OUTCOME_COLUMNS = "kind, evse_id, wait_s, price, currency, comment"
APPEND_OUTCOME = RowStatement(
    f"INSERT INTO outcome (recommendation_id, at_s, {OUTCOME_COLUMNS})", 8
)
ANSWER_COLUMNS = "recommendation_id, request_id, vehicle_id, answer, request, inputs"
APPEND_FENCE = RowStatement(
    "INSERT INTO fence (evse_id, fence)",
    2,
    "ON CONFLICT (evse_id) DO UPDATE SET fence = max(fence, excluded.fence)",
)


def claims_json(claims: Iterable[Claim]) -> bytes:
    """Claims as they stand in a row."""
    return msgspec.json.encode(
        [
            (
                claim.claim_id,
                claim.evse_id,
                claim.vehicle_id,
                claim.from_s,
                claim.to_s,
                claim.level,
                claim.state,
                claim.lease_until_s,
                claim.revision,
                claim.recommendation_id,
                claim.moving,
                claim.future,
            )
            for claim in claims
        ]
    )


class _Stored(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A claim in a row, in the order of `CLAIM_FIELDS`; older rows end before the newest fields."""

    claim_id: str
    evse_id: str
    vehicle_id: str
    from_s: float
    to_s: float
    level: int
    state: int
    lease_until_s: float
    revision: int
    recommendation_id: str
    moving: bool
    future: bool = False

    def claim(self, moment: Moment) -> Claim:
        """The claim; an offer gets a whole new lease, as link time does not outlive a machine."""
        state, lease_s = ClaimState(self.state), self.lease_until_s
        if state is ClaimState.OFFERED:
            lease_s = moment.link_s + OFFER_S
        return Claim(
            self.claim_id, self.evse_id, self.vehicle_id, self.from_s, self.to_s,
            WarningLevel(self.level), state, lease_s, self.revision, self.recommendation_id,
            self.moving, self.future,
        )  # fmt: skip


_decoder = msgspec.json.Decoder(list[_Stored])


def stored_steps(connection: sqlite3.Connection, moment: Moment) -> Iterable[Sequence[Claim]]:
    """The claims of each step since the last snapshot, in order."""
    rows = connection.execute(
        "SELECT claims FROM step WHERE seq >="
        " (SELECT coalesce(max(seq), 0) FROM step WHERE kind = 1) ORDER BY seq"
    )
    for (claims,) in rows:
        try:
            step = _decoder.decode(claims)
        except msgspec.DecodeError as error:
            # One flipped byte on the disk: the other promises stand.
            log.error("a step of the ledger cannot be read", why=str(error))
            continue
        yield [stored.claim(moment) for stored in step]


def stored_answer(connection: sqlite3.Connection, recommendation_id: str) -> KeptAnswer | None:
    """The newest stored answer of a recommendation."""
    row = connection.execute(
        f"SELECT {ANSWER_COLUMNS} FROM step WHERE recommendation_id = ? ORDER BY seq DESC LIMIT 1",
        (recommendation_id,),
    ).fetchone()
    if row is None:
        return None
    answer = KeptAnswer(*row)
    if answer.inputs:
        return answer
    # A new stage or lease was not ranked anew: what led to the answer is with an earlier step.
    ranked = connection.execute(
        "SELECT inputs FROM step WHERE recommendation_id = ? AND inputs <> x''"
        " ORDER BY seq DESC LIMIT 1",
        (recommendation_id,),
    ).fetchone()
    return answer if ranked is None else replace(answer, inputs=ranked[0])
