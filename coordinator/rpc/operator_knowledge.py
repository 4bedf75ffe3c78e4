"""`OperatorService` of the knowledge map: show it around a pile, update it, set its figures.

What the figures mean is in `core/reliability/map_settings.py`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.core.district import District
from coordinator.core.reliability.baselines import Prior
from coordinator.core.reliability.map_settings import Algorithm, MapSettings, faults_of
from coordinator.core.reliability.similarity import Measure
from coordinator.errors import FieldFault, FieldInvalid, NotFound
from coordinator.jobs.knowledge import Condition, Knowledge
from coordinator.jobs.map_making import Made
from coordinator.rpc.noun_codec import check_id, invalid, timestamp
from coordinator.rpc.server import Context
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc

Rows = NDArray[np.intp]

# Settings of one value: field of the message, field of `MapSettings`.
_PLAIN = (
    ("threshold", "threshold"),
    ("neighbour_order", "order"),
    ("alpha", "alpha"),
    ("beta", "beta"),
    ("kappa_days", "kappa_days"),
    ("theta", "theta"),
    ("max_edges", "max_edges"),
    ("gamma", "share"),
)
# Settings of a word.
_WORDS: tuple[tuple[str, str, Any], ...] = (
    ("algorithm", "algorithm", Algorithm),
    ("similarity", "measure", Measure),
    ("prior", "prior", Prior),
)
_FIELD = {ours: theirs for theirs, ours in _PLAIN} | {ours: theirs for theirs, ours, _ in _WORDS}
_CONDITIONS = {
    condition: op.KnowledgeCondition.Value(f"KNOWLEDGE_CONDITION_{condition.name}")
    for condition in Condition
}
_AT_ONCE = (op.KNOWLEDGE_CONDITION_REAL_TIME, op.KNOWLEDGE_CONDITION_SPECIFIC)


class OperatorKnowledge(operator_service_pb2_grpc.OperatorServiceServicer):
    """The part of the service that shows and moves the map; set `knowledge` and `district`."""

    knowledge: Knowledge
    district: District

    async def GetKnowledgeMap(  # noqa: N802 - the contract
        self, request: op.GetKnowledgeMapRequest, context: Context
    ) -> op.GetKnowledgeMapResponse:
        """How the map works, its newest update, and a pile with its neighbours."""
        if request.order > 2:
            raise FieldInvalid(FieldFault("order", f"{request.order} is neither 1 nor 2"))
        keeper, made = self.knowledge, self.knowledge.made
        answer = op.GetKnowledgeMapResponse(
            settings=from_settings(keeper.settings),
            iterations=keeper.iterations,
            conditions=[_CONDITIONS[one] for one in sorted(keeper.updating.conditions, key=_name)],
            period_s=keeper.updating.period_s,
        )
        if keeper.last is not None:
            answer.last_update.condition = _CONDITIONS[keeper.last.condition]
            answer.last_update.duration_s = keeper.last.duration_s
            answer.last_update.updated_count = keeper.last.moved
            if (at := timestamp(keeper.last.at_s)) is not None:
                answer.last_update.updated_at.CopyFrom(at)
        if made is not None:
            answer.pile_count = len(made.evse_ids)
            answer.edge_count = made.knowledge.similarity.nnz
            answer.degraded_reason = made.degraded
        if request.pile_id:
            rows = self._rows([request.pile_id], "pile_id")
            if made is not None and made.evse_ids is self.district.evse_ids:
                self._fill(answer, made, rows, request.order or 1)
        return answer

    async def UpdateKnowledgeMap(  # noqa: N802 - the contract
        self, request: op.UpdateKnowledgeMapRequest, context: Context
    ) -> op.UpdateKnowledgeMapResponse:
        """Updates all of the map or a part of it, with new settings if some are given."""
        started, keeper = time.perf_counter(), self.knowledge
        condition, named = request.condition, bool(request.pile_ids)
        partly = condition in _AT_ONCE or (
            named and condition == op.KNOWLEDGE_CONDITION_UNSPECIFIED
        )
        if named and (request.HasField("settings") or not partly):
            why = "the whole map is made anew with settings, or as a regular update: leave it out"
            raise FieldInvalid(FieldFault("pile_ids", why))
        if request.HasField("settings"):
            await keeper.configure(to_settings(request.settings, keeper.settings))
        elif partly:
            rows = self._rows(list(request.pile_ids), "pile_ids") if named else self._all()
            specific = condition == op.KNOWLEDGE_CONDITION_SPECIFIC
            why_now = Condition.SPECIFIC if specific else Condition.ASKED
            moved = keeper.learn(rows, why_now, same_type=specific)
            return self._updated(moved.size, started)
        else:
            regular = condition == op.KNOWLEDGE_CONDITION_REGULAR
            await keeper.refresh(Condition.REGULAR if regular else Condition.ASKED)
        return self._updated(keeper.last.moved if keeper.last else 0, started)

    def _updated(self, moved: int, started: float) -> op.UpdateKnowledgeMapResponse:
        return op.UpdateKnowledgeMapResponse(
            updated_count=moved,
            iterations=self.knowledge.iterations,
            duration_s=time.perf_counter() - started,
        )

    def _all(self) -> Rows:
        return np.arange(len(self.district), dtype=np.intp)

    def _rows(self, names: list[str], field: str) -> Rows:
        """The EVSEs of these piles; a name may also be that of one EVSE."""
        invalid(fault for name in names for fault in check_id(name, field))
        district, rows = self.district, []
        piles = {pile.pile_id: number for number, pile in enumerate(district.piles)}
        for name in names:
            if name in district.row:
                rows.append(np.array([district.row[name]]))
            elif name in piles:
                rows.append(np.flatnonzero(district.pile == piles[name]))
            else:
                raise NotFound("pile", name)
        return np.unique(np.concatenate(rows)).astype(np.intp)

    def _fill(self, answer: op.GetKnowledgeMapResponse, made: Made, rows: Rows, order: int) -> None:
        """The EVSEs of a pile first, then their neighbours, strongest edges first."""
        nodes = dict.fromkeys(rows.tolist())
        for row in rows.tolist():
            found, strength, away = made.knowledge.neighbours(row, order)
            for place in np.argsort(-strength, kind="stable").tolist():
                other = int(found[place])
                nodes.setdefault(other)
                answer.edges.add(
                    from_pile_id=self._pile_id(row),
                    to_pile_id=self._pile_id(other),
                    from_evse_id=made.evse_ids[row],
                    to_evse_id=made.evse_ids[other],
                    similarity=float(strength[place]),
                    order=int(away[place]),
                )
        for node in nodes:
            answer.nodes.add(
                pile_id=self._pile_id(node),
                evse_id=made.evse_ids[node],
                failure_rate=float(made.knowledge.rates[node]),
                prior_rate=float(made.knowledge.prior[node]),
                exposure_days=float(self.district.exposure_days[node]),
            )

    def _pile_id(self, row: int) -> str:
        return self.district.piles[int(self.district.pile[row])].pile_id


def from_settings(settings: MapSettings) -> op.KnowledgeMapSettings:
    """The figures for the wire."""
    message = op.KnowledgeMapSettings(
        edge_weights=settings.edge_weights, attributes=settings.attributes
    )
    for theirs, ours in _PLAIN:
        if (value := getattr(settings, ours)) is not None:
            setattr(message, theirs, value)
    for theirs, ours, _ in _WORDS:
        setattr(message, theirs, getattr(settings, ours).value)
    return message


def to_settings(message: op.KnowledgeMapSettings, before: MapSettings) -> MapSettings:
    """The figures with those of the message; raises `FieldInvalid` naming all wrong ones."""
    present = {field.name for field, _ in message.ListFields()}
    given: dict[str, Any] = {
        ours: getattr(message, theirs) for theirs, ours in _PLAIN if theirs in present
    }
    faults = []
    for theirs, ours, words in _WORDS:
        word = getattr(message, theirs)
        known = [one.value for one in words]
        if word and word not in known:
            text = f"{word!r} is none of {', '.join(known)}"
            faults.append(FieldFault(f"settings.{theirs}", text))
        elif word:
            given[ours] = words(word)
    if message.edge_weights:
        if len(message.edge_weights) == 2:
            given["edge_weights"] = tuple(message.edge_weights)
        else:
            faults.append(FieldFault("settings.edge_weights", "expected two, of either edge"))
    if message.attributes:
        given["attributes"] = tuple(message.attributes)
    if "kappa_days" in given and "share" not in given:
        given["share"] = None
    settings = replace(before, **given)
    wrong = faults_of(settings)
    faults += [FieldFault(f"settings.{_FIELD.get(name, name)}", text) for name, text in wrong]
    invalid(faults)
    return settings


def _name(condition: Condition) -> str:
    return condition.name
