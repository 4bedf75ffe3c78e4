"""What must hold after every step, and at the end when everything has healed.

I1 acked means durable, told means durable; I2 the far store is the agents' log; I3 and I4 claims
exclude each other; I5 fences rise and nobody acts on a lower one; I6 nothing of a pile is believed
from who does not speak for it; I7 figures are finite or said to be degraded; I8 every refusal has
its code and its field.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

from bench.simulated.agent import SimAgent
from bench.simulated.coordinator import SimCoordinator
from coordinator.core.areas.claim_table import ClaimTable
from coordinator.core.ranges import Ranges
from coordinator.usecases.answer import Answer, HoldKind
from pilewise.v1 import edge_service_pb2 as edge


class Broken(AssertionError):
    """An invariant does not hold."""


def hold(name: str, met: bool, what: object = "") -> None:
    """Raises `Broken` where an invariant is not met."""
    if not met:
        raise Broken(f"{name}: {what}")


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as anybody else would find it now."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()


def ack_is_durable(folder: Path, message: edge.ConnectResponse) -> None:
    """I1: what an ack says, at the moment in which it is sent, is in the file."""
    kind = message.WhichOneof("message")
    if kind != "ack":
        return
    ack = message.ack
    with reading(folder / "telemetry.db") as connection:
        row = connection.execute(
            "SELECT settled FROM spool WHERE spool_id = ?", (ack.spool_id,)
        ).fetchone()
    kept = _ranges(row[0]) if row else Ranges()
    told = Ranges([(r.first, r.last) for r in ack.stored.ranges])
    if ack.stored.acked_through:
        told.add(1, ack.stored.acked_through)
    missing = [run for run in told.runs() if not _covers(kept, run)]
    hold("I1", not missing, f"acked {missing} of {ack.spool_id}, durable {kept.runs()}")


def _ranges(text: str) -> Ranges:
    runs = (run.split("-") for run in text.split())
    return Ranges([(int(first), int(last)) for first, last in runs])


def _covers(kept: Ranges, run: tuple[int, int]) -> bool:
    return any(first <= run[0] and run[1] <= last for first, last in kept.runs())


def fence_rises(drawn: dict[str, int], directive: edge.Directive) -> None:
    """I5: every directive at an EVSE has a fence above all before it, in every life."""
    before = drawn.get(directive.evse_id, 0)
    hold("I5", directive.fence > before, f"{directive.evse_id}: {directive.fence} after {before}")
    drawn[directive.evse_id] = directive.fence


def told_is_durable(folder: Path, answer: Answer) -> None:
    """I1: a hold that a car is told of is in the file, with its answer."""
    with reading(folder / "claims.db") as connection:
        row = connection.execute(
            "SELECT count(*) FROM step WHERE recommendation_id = ?", (answer.recommendation_id,)
        ).fetchone()
    hold("I1", row[0] > 0, f"{answer.recommendation_id} was told and is not in claims.db")


def answer_is_sound(answer: Answer) -> None:
    """I7 and I8 of what a car is told."""
    if not answer.judged:
        hold("I8", bool(answer.empty_reason and answer.empty_text), "an empty answer says not why")
        return
    figures = answer.choice.figures
    for value in (figures.cost_s, figures.eta_s, figures.wait_s, figures.expected_wait_s):
        hold("I7", math.isfinite(value) or bool(answer.degraded), figures)
    told = answer.hold
    hold("I8", bool(told.claim_id or told.reason), "no hold and no reason")


def claims_exclude(table: ClaimTable) -> None:
    """I3 and I4."""
    live = list(table.live())
    for one, other in combinations(live, 2):
        if one.evse_id == other.evse_id:
            hold("I3", not one.overlaps(other.from_s, other.to_s), (one, other))
    cars = Counter(c.vehicle_id for c in live if c.vehicle_id and not c.future)
    moving = Counter(c.vehicle_id for c in live if c.moving)
    for car, count in cars.items():
        hold("I4", count <= 1 + moving[car] <= 2, (car, live))
    windows = Counter(c.vehicle_id for c in live if c.future and c.vehicle_id)
    hold("I4", not windows or max(windows.values()) <= 1, windows)


def after_step(coordinator: SimCoordinator, agents: list[SimAgent]) -> None:
    """Everything that must hold at any moment."""
    for agent in agents:
        for evse_id, fences in agent.acted.items():
            rising = all(one <= other for one, other in pairwise(fences))
            hold("I5", rising, f"{agent.agent_id} acted at {evse_id} on {fences[-4:]}")
    if not coordinator.running:
        return
    claims_exclude(coordinator.claims.table)
    for promise in coordinator.brain.promises.open():
        answer_is_sound(promise.newest)
        if promise.answer.hold.kind is HoldKind.NONE or promise.closed:
            continue
        claim = coordinator.claims.table.get(promise.claim_id)
        hold("I3", claim is not None, f"an open promise without a claim: {promise.claim_id}")


def far_store_is_the_log(folder: Path, agents: list[SimAgent], final: bool) -> None:
    """I2, I6 and I8 of the far store: numbers once, serials once, nothing foreign, nothing lost."""
    with reading(folder / "telemetry.db") as connection:
        batches = connection.execute(
            "SELECT spool_id, first_seq, last_seq, record_count, payload FROM batch"
        ).fetchall()
        gaps = connection.execute("SELECT spool_id, first_seq, last_seq FROM gap").fetchall()
        refusals = connection.execute(
            "SELECT spool_id, record_seq, code, field FROM refusal"
        ).fetchall()
        spools = dict(connection.execute("SELECT spool_id, settled FROM spool").fetchall())
    for spool_id, seq, code, where in refusals:
        hold("I8", bool(code and where), f"{spool_id} {seq} refused without code or field")
    stored = Counter[int]()
    known = {serial: at for agent in agents for serial, at in agent.written.items()}
    owner = {evse_id: agent.agent_id for agent in agents for evse_id in agent.piles}
    rejected = {(spool_id, seq) for spool_id, seq, _, _ in refusals}
    seen: set[tuple[str, int]] = set()
    for spool_id, first, last, _, payload in batches:
        for seq, evse_id, serial, status in _rows(payload):
            if not first <= seq <= last or (spool_id, seq) in rejected:
                continue
            hold("I2", (spool_id, seq) not in seen, f"{spool_id} {seq} is stored twice")
            seen.add((spool_id, seq))
            agent_id = spool_id.split("-")[0]
            hold("I6", owner.get(evse_id) == agent_id, f"{agent_id} spoke for {evse_id}")
            stored[serial] += 1
            if serial in known:
                hold("I2", known[serial] == (evse_id, status), f"record {serial} is another one")
    # A spool that was told of a failure writes again what it has already.
    unsure = {s for a in agents if a.disk.untold for s in a.offered}
    twice = [serial for serial, count in stored.items() if count > 1 and serial not in unsure]
    hold("I2", not twice, f"records {twice[:5]} are stored twice")
    for spool_id, text in spools.items():
        numbers = {seq for at, seq in seen | rejected if at == spool_id}
        lost = {n for at, a, b in gaps if at == spool_id for n in range(a, b + 1)}
        settled = {n for a, b in _ranges(text).runs() for n in range(a, b + 1)}
        hold("I2", settled <= numbers | lost, f"{spool_id}: {sorted(settled - numbers - lost)[:5]}")
        hold("I2", numbers <= settled, f"{spool_id}: stored and not settled")
    if final:
        missing = sorted(set(known) - set(stored))
        hold("I2", not missing or bool(gaps), f"lost without a gap: {missing[:5]} of {len(known)}")
        count = sum(b - a + 1 for _, a, b in gaps)
        hold("I2", len(missing) <= count, f"{len(missing)} lost, {count} in gaps")


def _rows(payload: bytes) -> Iterator[tuple[int, str, int, int]]:
    """Number, EVSE, serial and status of each row of a stored batch."""
    batch = edge.ReportBatch.FromString(payload)
    for row in range(batch.record_count):
        evse_id = batch.evse_ids[batch.evse_index[row]]
        serial = round(batch.energy_kwh.values[row])
        yield batch.first_record_seq + row, evse_id, serial, batch.status[row]
