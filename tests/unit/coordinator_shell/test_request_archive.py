"""Requests with their answers: an hour in the journal, then a month in one compressed row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.core.areas.ledger import Claim, ClaimState, Moment
from coordinator.core.vehicle import ChargingRequest, Vehicle, WarningLevel
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.store.memory import MemoryTelemetry
from coordinator.usecases.answer import Answer
from coordinator.usecases.composing import _encode
from coordinator.usecases.ledger import KeptAnswer
from coordinator.usecases.requests import StoredRequest, first_inputs, packed, unpacked
from coordinator.usecases.retention import PACK_AFTER_S, pack_answers
from coordinator.usecases.telemetry import TelemetryStore

Opener = Callable[[], TelemetryStore]
T0 = 1_790_000_000.0
NOW = Moment(T0, 100.0)
LATER = Moment(T0 + PACK_AFTER_S + 1.0, 200.0)
INPUTS = b"feature rows " * 100


def kept(number: int, inputs: bytes = INPUTS, revision: int = 1) -> KeptAnswer:
    """What is stored of an answer to a request of car c at 30 %."""
    request = ChargingRequest(f"q{number}", "c", Vehicle(60.0), 30.0, 22.5, 114.0, user_id="u")
    answer = Answer(f"r{number}", f"q{number}", "c", T0, 2, "SOME_CHARGE", "en", revision=revision)
    return KeptAnswer(f"r{number}", f"q{number}", "c", _encode(answer), _encode(request), inputs)


def wish(number: int) -> Claim:
    return Claim(
        f"k{number}", f"E{number}*1", f"c{number}", T0, T0 + 600, WarningLevel.LOW,
        ClaimState.OFFERED, NOW.link_s + 30, 1, f"r{number}",
    )  # fmt: skip


def test_a_row_of_a_request_gives_its_answer_back() -> None:
    """Answer, request and feature rows come out of the compressed row as they went in."""
    row = packed(kept(1), T0)

    assert unpacked(row) == kept(1)
    assert (row.user_id, row.soc_pct, row.level, row.at_s) == ("u", 30.0, 2, T0)
    assert len(row.body) < len(INPUTS)


def test_a_revision_without_feature_rows_keeps_those_of_the_one_before() -> None:
    """A new stage was not ranked anew: what led to the answer stands, and so does its instant."""
    row = packed(kept(1, b"", revision=2), T0 + 60, packed(kept(1), T0))

    assert unpacked(row) == kept(1, INPUTS, revision=2)
    assert row.at_s == T0


def test_a_revision_that_was_ranked_anew_keeps_what_was_first_shown() -> None:
    """Newest rows explain the newest answer; the first stay, also through a second packing."""
    first = packed(kept(1), T0)
    second = packed(kept(1, b"one candidate", revision=2), T0 + 60, first)
    third = packed(kept(1, b"another", revision=3), T0 + 90, second)

    assert unpacked(third).inputs == b"another"
    assert first_inputs(first) == first_inputs(second) == first_inputs(third) == INPUTS


async def test_requests_come_back_by_recommendation_by_user_and_by_age(open_store: Opener) -> None:
    """Found by what answered them; listed oldest first; forgotten when they are too old."""
    store = open_store()
    rows = [packed(kept(n), T0 + n) for n in (2, 1, 3)]
    await store.put_requests([*rows, StoredRequest("q9", T0 + 9, user_id="other")])
    await store.close()
    store = open_store()

    assert await store.request_of("r2") == rows[0]
    assert await store.request_of("r9") is None
    assert [r.request_id for r in await store.list_requests(T0 + 2, "u")] == ["q2", "q3"]
    assert store.load().recent_requests == {"q1": "r1", "q2": "r2", "q3": "r3"}
    assert await store.forget_requests(T0 + 2) == 1
    assert [r.request_id for r in await store.list_requests(0.0)] == ["q2", "q3", "q9"]


@pytest.mark.parametrize(("moment", "moved"), [(NOW, 0), (LATER, 3)])
async def test_answers_older_than_an_hour_leave_the_journal(
    tmp_path: Path, moment: Moment, moved: int
) -> None:
    """Young ones stay; old ones are found in the archive, with the claims they stood with."""
    archive = MemoryTelemetry()
    claims = SqliteClaims(tmp_path / "claims.db", NOW, archive=archive)
    for number in (1, 2):
        await claims.claim(wish(number), NOW, lambda _, n=number: (kept(n),))  # type: ignore[misc]
    await claims.keep_answer(kept(1, b"", revision=2), NOW)
    await claims.compact(moment, keep_s=30 * 86_400.0)

    assert await pack_answers(claims, archive, moment.now_s) == moved

    await claims.close()
    again = SqliteClaims(tmp_path / "claims.db", NOW, archive=archive)
    again.know(archive.load().recent_requests)
    assert len(archive.requests) == (2 if moved else 0)
    assert {claim.claim_id for claim in again.table.live()} == {"k1", "k2"}
    assert await again.answer("r1") == kept(1, INPUTS, revision=2)
    assert await again.answer_to("q2") == kept(2)
    await again.close()


async def test_a_revision_after_the_move_meets_its_older_self(tmp_path: Path) -> None:
    """A promise that lives on is packed again, feature rows from the row before, one row."""
    archive = MemoryTelemetry()
    claims = SqliteClaims(tmp_path / "claims.db", NOW, archive=archive)
    await claims.keep_answer(kept(1), NOW)
    await claims.compact(LATER, keep_s=30 * 86_400.0)
    await pack_answers(claims, archive, LATER.now_s)
    await claims.keep_answer(kept(1, b"", revision=3), LATER)
    after = replace(LATER, now_s=LATER.now_s + PACK_AFTER_S + 1.0)
    await claims.compact(after, keep_s=30 * 86_400.0)

    await pack_answers(claims, archive, after.now_s)

    assert [unpacked(row) for row in archive.requests.values()] == [kept(1, INPUTS, revision=3)]
    await claims.close()


async def test_what_was_first_shown_outlives_a_later_ranking(tmp_path: Path) -> None:
    """A promise moved after its first answer left the journal keeps the rows of that answer."""
    archive = MemoryTelemetry()
    claims = SqliteClaims(tmp_path / "claims.db", NOW, archive=archive)
    await claims.keep_answer(kept(1), NOW)
    await claims.compact(LATER, keep_s=30 * 86_400.0)
    await pack_answers(claims, archive, LATER.now_s)
    await claims.keep_answer(kept(1, b"one candidate", revision=2), LATER)
    after = replace(LATER, now_s=LATER.now_s + PACK_AFTER_S + 1.0)
    await claims.compact(after, keep_s=30 * 86_400.0)

    await pack_answers(claims, archive, after.now_s)

    (row,) = archive.requests.values()
    assert unpacked(row).inputs == b"one candidate"
    assert first_inputs(row) == INPUTS
    await claims.close()


async def test_a_request_that_nothing_was_promised_for_is_kept(tmp_path: Path) -> None:
    """An empty answer has no recommendation, and is in the archive all the same."""
    archive = MemoryTelemetry()
    claims = SqliteClaims(tmp_path / "claims.db", NOW, archive=archive)
    nothing = replace(kept(1), recommendation_id="", inputs=b"")
    await claims.keep_request(nothing, NOW)
    await claims.compact(LATER, keep_s=30 * 86_400.0)

    await pack_answers(claims, archive, LATER.now_s)

    assert [row.recommendation_id for row in archive.requests.values()] == [""]
    assert await claims.answer_to("q1") is None
    await claims.close()


def test_an_imported_request_has_no_answer_to_give() -> None:
    """What was imported has columns only, and says so."""
    with pytest.raises(ValueError, match="imported"):
        unpacked(StoredRequest("q1", T0))
