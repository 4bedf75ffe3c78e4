"""What drivers did with real answers becomes rows to learn from, with what they were shown."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from own_requests import SHOWN, T0, candidates, fill_store, kept, packed_inputs
from served_brain import asking, serve_brain, station

from coordinator.core.areas.ledger import Moment
from coordinator.core.recommend.features import COLUMN, FEATURES
from coordinator.models.kept import SHIPPED, KeptBundles, State
from coordinator.models.serving import BUNDLED
from coordinator.store.claims_sqlite import SqliteClaims
from coordinator.store.sqlite import SqliteTelemetry
from coordinator.usecases.inputs import SCHEMA_SHA256, unpack
from coordinator.usecases.ledger import Outcome
from coordinator.usecases.requests import packed
from coordinator.usecases.retention import PACK_AFTER_S, pack_answers
from pilewise.v1 import charging_service_pb2 as wire
from training.__main__ import main
from training.from_store import LEAST_LEARN, TooLittle, own_choices, split_own
from training.from_store_command import active_folder
from training.labels import CONFIRMED, SEEN, WENT_WRONG, OutcomeKind, label_of
from training.sources.store import read_store

TOWN = [station(name, 0.5 * n, 2) for n, name in enumerate("ABCDE", 1)]
OUTCOME = {
    "charged": wire.ReportOutcomeRequest(outcome=wire.OUTCOME_KIND_CHARGED),
    "broken": wire.ReportOutcomeRequest(outcome=wire.OUTCOME_KIND_BROKEN),
    "gave-up": wire.ReportOutcomeRequest(outcome=wire.OUTCOME_KIND_ABANDONED),
    "nowhere": wire.ReportOutcomeRequest(outcome=wire.OUTCOME_KIND_DEVIATED),
}


async def test_served_requests_come_back_with_their_labels(tmp_path: Path) -> None:
    """Cars ask, confirm and report over a socket; the file is read while the coordinator runs."""
    promised: dict[str, str] = {}
    async with serve_brain(TOWN, tmp_path / "claims.db") as served:
        for car in ("silent", "undecided", "elsewhere", *OUTCOME):
            answer = await served.client.Recommend(asking(car))
            name = answer.promise.recommendation_id
            promised[car] = answer.promise.choice.evse.evse_id
            if car != "undecided":
                await served.client.Confirm(wire.ConfirmRequest(recommendation_id=name))
            if car == "elsewhere":
                promised[car] = answer.promise.alternatives[0].evse.evse_id
                told = wire.ReportOutcomeRequest(
                    outcome=wire.OUTCOME_KIND_DEVIATED, evse_id=promised[car]
                )
            elif car in OUTCOME:
                told = wire.ReportOutcomeRequest()
                told.CopyFrom(OUTCOME[car])
            else:
                continue
            told.recommendation_id = name
            await served.client.ReportOutcome(told)

        store = read_store(tmp_path)

    own = own_choices(store)
    assert own.labels == {"confirmed": 1, "told": 1, "deviated": 1, "went wrong": 1}
    assert own.dropped == {
        "not confirmed": 1,
        "given up": 1,
        "charged elsewhere, not known where": 1,
    }
    assert sorted(own.weight.tolist()) == [WENT_WRONG, CONFIRMED, SEEN, SEEN]
    assert (np.diff(own.choices.at_s) >= 0).all()
    by_car = {told.request.vehicle_id: told for told in store.told.values()}
    for row, car in enumerate(["silent", "elsewhere", "charged", "broken"]):
        inputs = unpack(by_car[car].inputs[0])
        assert inputs is not None
        size = int(own.choices.mask[row].sum())
        assert inputs.evse_ids[int(own.choices.chosen[row])] == promised[car]
        assert (own.choices.features[row, :size] == inputs.features).all()
        assert own.choices.features[row, 0, COLUMN["soc_pct"]] == 50.0


async def test_answers_that_left_the_journal_keep_what_was_shown(tmp_path: Path) -> None:
    """After an hour the request is in the archive, with the first list still, after a re-route."""
    at = Moment(T0, 0.0)
    telemetry = SqliteTelemetry(tmp_path)
    claims = SqliteClaims(tmp_path / "claims.db", at, archive=telemetry)
    shown = packed_inputs(["A-1*1", "B-1*1"], candidates(np.random.default_rng(1))[:2])
    alone = packed_inputs(["A-1*2"], candidates(np.random.default_rng(2))[:1])
    await claims.keep_answer(kept(1, "u", shown, "B-1*1"), at)
    await claims.keep_answer(kept(1, "u", alone, "B-1*1", revision=2), at)
    await claims.keep_outcome("r1", Outcome(int(OutcomeKind.CHARGED)), at)
    later = Moment(T0 + PACK_AFTER_S + 1.0, 0.0)
    await claims.compact(later, keep_s=30 * 86_400.0)
    assert await pack_answers(claims, telemetry, later.now_s) == 2
    await claims.close()
    await telemetry.close()

    own = own_choices(read_store(tmp_path))

    assert own.labels == {"told": 1}
    assert own.choices.mask.sum() == 2
    assert own.choices.chosen.tolist() == [1]


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (label_of("A", True, used="B", told=1), ("B", SEEN)),
        (label_of("A", False, told=1), ("A", SEEN)),
        (label_of("A", False, told=1, told_evse="C"), ("C", SEEN)),
        (label_of("A", True, told=2, told_evse="C"), ("C", SEEN)),
        (label_of("A", True, told=2), ("", 0.0)),
        (label_of("A", True, told=3), ("A", WENT_WRONG)),
        (label_of("A", True, told=4), ("A", WENT_WRONG)),
        (label_of("A", True, told=5), ("A", WENT_WRONG)),
        (label_of("A", True, told=6), ("", 0.0)),
        (label_of("A", True), ("A", CONFIRMED)),
        (label_of("A", False), ("", 0.0)),
    ],
)
def test_a_label_is_what_was_used_before_what_was_said(
    label: object, expected: tuple[str, float]
) -> None:
    """What a pile saw counts most, then the driver's word, then the confirmation."""
    assert (label.evse_id, label.weight) == expected  # type: ignore[attr-defined]


def test_the_outcomes_are_numbered_as_on_the_wire() -> None:
    """Every kind of the contract has its number here."""
    on_wire = {
        name.removeprefix("OUTCOME_KIND_"): value
        for name, value in wire.OutcomeKind.items()
        if value
    }

    assert {kind.name: kind.value for kind in OutcomeKind} == on_wire


async def test_rows_of_other_columns_are_counted_and_not_learned_from(tmp_path: Path) -> None:
    """Requests stored by a version with other features are dropped with that reason."""
    telemetry = SqliteTelemetry(tmp_path)
    rows = candidates(np.random.default_rng(1))
    good = packed_inputs([f"S{n}*1" for n in range(SHOWN)], rows)
    old = good.replace(SCHEMA_SHA256.encode(), b"0" * 64)
    await telemetry.put_requests(
        [packed(kept(n, "u", inputs, "S1*1"), T0 + n) for n, inputs in enumerate((good, old, b""))]
    )
    await telemetry.close()

    own = own_choices(read_store(tmp_path))

    assert len(own) == 1
    assert own.dropped == {"columns of another version": 1, "no feature rows": 1}


async def test_a_split_never_learns_from_later_requests(tmp_path: Path) -> None:
    """Learning, stopping and testing follow each other in time, and all rows are in one of them."""
    await fill_store(tmp_path, 400, lambda rows: 0)

    own = own_choices(read_store(tmp_path))
    parts = split_own(own)

    assert parts.learn.choices.at_s.max() < parts.stop.choices.at_s.min()
    assert parts.stop.choices.at_s.max() < parts.test.choices.at_s.min()
    assert len(parts.learn) + len(parts.stop) + len(parts.test) == len(own) == 400
    assert parts.learn.choices.features.shape[2] == len(FEATURES)
    with pytest.raises(TooLittle, match=f"{LEAST_LEARN} are needed"):
        split_own(own.take(np.arange(len(own)) < 100))


async def test_too_little_data_is_said_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 3, how many requests there are, how many are needed, and no folder."""
    await fill_store(tmp_path, 20, lambda rows: 0)
    out = tmp_path / "candidate"

    code = main(["from-store", "--data-dir", str(tmp_path), "--out", str(out), "--json"])

    told, err = capsys.readouterr()
    assert code == 3
    assert told == ""
    assert "error[TRAIN-008]: too little data, nothing is made: 20 requests have a label" in err
    assert "hint:" in err
    assert not out.exists()


@pytest.mark.parametrize("what", ["absent", "empty", "text"])
def test_a_folder_without_a_coordinator_s_data_is_named(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A path that is wrong, or files that are no database, end with code 3 and a hint."""
    folder = tmp_path / "data"
    if what != "absent":
        folder.mkdir()
    if what == "text":
        (folder / "claims.db").write_text("not a database, but long enough to look like a file")

    assert main(["from-store", "--data-dir", str(folder)]) == 3

    err = capsys.readouterr().err
    assert "error[TRAIN-002]" in err
    assert str(folder) in err
    assert "hint:" in err


async def test_the_report_of_a_store_counts_requests_words_and_sessions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`training data DIR` tells all three tables; the files stay as they are."""
    await fill_store(tmp_path, 5, lambda rows: 0)
    before = [(tmp_path / name).read_bytes() for name in ("telemetry.db", "claims.db")]

    assert main(["data", str(tmp_path), "--json"]) == 0

    assert before == [(tmp_path / n).read_bytes() for n in ("telemetry.db", "claims.db")]
    sources = {s["source"]: s for s in json.loads(capsys.readouterr().out)["sources"]}
    assert sources["store_requests"]["rows"] == 5
    assert sources["store_outcomes"]["rows"] == 5
    assert sources["store_outcomes"]["missing"] == {"evse_id": 1.0}
    assert sources["store_sessions"]["rows"] == 0
    assert sources["store_requests"]["span"][0] == "2026-09-21T14:13:20"


def test_the_bundle_to_beat_is_the_one_that_serves(tmp_path: Path) -> None:
    """Without an activation the shipped one; after it the copy that the coordinator keeps."""
    kept = KeptBundles(tmp_path / "models")
    assert active_folder(tmp_path) == BUNDLED

    digest = sha256((BUNDLED / "manifest.json").read_bytes()).hexdigest()
    entry = kept.take_in(BUNDLED, digest)
    kept.write(State(active=entry))

    assert active_folder(tmp_path) == tmp_path / "models" / digest[:16]
    kept.write(State(active=SHIPPED))
    assert active_folder(tmp_path) == BUNDLED
