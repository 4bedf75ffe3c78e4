"""A coordinator's own data: requests with their feature rows, and what became of them.

Opened to read only, so a coordinator may be running on it. Answers of the newest hour are in the
journal of claims.db, older ones in telemetry.db; what drivers told is in claims.db, what piles saw
in telemetry.db. How an answer is labelled is in `training.labels`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from coordinator.core.pile import Station
from coordinator.core.sessions import ChargeSession
from coordinator.core.vehicle import ChargingRequest
from coordinator.errors import StoreUnavailable
from coordinator.store import requests as stored_requests
from coordinator.store import sessions as stored_sessions
from coordinator.store.database import open_reader
from coordinator.usecases.answer import Answer
from coordinator.usecases.ledger import KeptAnswer
from coordinator.usecases.requests import first_inputs, unpacked
from training.sources.columns import Session, Sessions, sessions_of
from training.sources.files import SourceInvalid
from training.sources.quality import Quality

T = TypeVar("T")

TELEMETRY, CLAIMS = "telemetry.db", "claims.db"
HINT = "give the data_dir of a coordinator, as its coordinator.toml names it"

_answers = msgspec.msgpack.Decoder(Answer)
_asked = msgspec.msgpack.Decoder(ChargingRequest)
_stations = msgspec.json.Decoder(Station)

_JOURNAL = """
SELECT at_s, recommendation_id, request_id, vehicle_id, answer, request, inputs FROM step
WHERE recommendation_id IS NOT NULL ORDER BY seq
"""
_OUTCOMES = "SELECT recommendation_id, at_s, kind, evse_id FROM outcome ORDER BY outcome"


@dataclass(slots=True)
class Told:
    """One request as it was answered; `inputs` are packed feature rows, the oldest first."""

    at_s: float
    request: ChargingRequest
    answer: Answer
    inputs: list[bytes] = field(default_factory=list)

    @property
    def driver(self) -> str:
        """Who asked: the user where one is known, else the car."""
        return self.request.user_id or self.request.vehicle_id

    @property
    def places(self) -> dict[str, str]:
        """Stations by EVSE, as far as the answer names them."""
        return {judged.evse_id: judged.station_id for judged in self.answer.judged}


@dataclass(frozen=True, slots=True)
class Store:
    """What was read. `told` is by recommendation, oldest first; `outcomes` has the last word."""

    told: dict[str, Told]
    outcomes: dict[str, tuple[int, str]]  # kind and EVSE, by recommendation
    sessions: list[ChargeSession]
    stations: list[Station]
    requests: Quality
    words: Quality
    visits: Quality

    @property
    def used(self) -> dict[str, str]:
        """Where piles saw the promised car, by recommendation."""
        return {s.recommendation_id: s.evse_id for s in self.sessions if s.recommendation_id}

    @property
    def station_of(self) -> dict[str, str]:
        """Stations by EVSE, of all that were imported."""
        return {
            evse.evse_id: station.station_id
            for station in self.stations
            for pile in station.piles
            for evse in pile.evses
        }


def is_store(folder: Path) -> bool:
    """Whether this looks like the data of a coordinator."""
    return (folder / TELEMETRY).is_file() or (folder / CLAIMS).is_file()


def read_store(folder: Path) -> Store:
    """Everything to learn from in a coordinator's data. Raises `SourceInvalid`."""
    if not folder.is_dir():
        raise SourceInvalid(folder, "no such folder", HINT)
    if not is_store(folder):
        raise SourceInvalid(folder, f"holds neither {TELEMETRY} nor {CLAIMS}", HINT)
    store = Store({}, {}, [], [], Quality(), Quality(), Quality())
    if (folder / TELEMETRY).is_file():
        _query(folder / TELEMETRY, lambda db: _archived(db, store))
    if (folder / CLAIMS).is_file():
        _query(folder / CLAIMS, lambda db: _journal(db, store))
    for told in sorted(store.told.values(), key=lambda one: one.at_s):
        store.told[told.answer.recommendation_id] = store.told.pop(told.answer.recommendation_id)
        store.requests.bounded(told.at_s, told.at_s)
        store.requests.keep()
    return store


def store_sessions(store: Store) -> Sessions:
    """Sessions that piles saw to their end, as columns."""
    read = [
        Session(
            one.started_at_s,
            one.ended_at_s,
            one.station_id,
            one.user_id or one.vehicle_id,
            energy_kwh=one.energy_kwh,
            start_soc_pct=one.start_soc_pct,
            end_soc_pct=one.end_soc_pct,
        )
        for one in store.sessions
        if one.ended_at_s is not None and one.station_id
    ]
    places = {s.station_id: (s.latitude_deg, s.longitude_deg) for s in store.stations}
    return sessions_of(read, places, {"under_way": float(len(store.sessions) - len(read))})


def describe(folder: Path) -> Iterator[dict[str, Any]]:
    """The reports of requests, outcomes and sessions."""
    store = read_store(folder)
    for name, columns, quality in (
        ("requests", {"answer": "words and numbers", "features": "numbers"}, store.requests),
        ("outcomes", {"kind": "word", "evse_id": "word, may be unknown"}, store.words),
        ("sessions", {"evse_id": "word", "started_at_s": "time"}, store.visits),
    ):
        yield {
            "file": str(folder),
            "source": f"store_{name}",
            "columns": columns,
            **quality.told(),
        }


def _query(path: Path, read: Callable[[Any], T]) -> T:
    """What a query of a file gives. Raises `SourceInvalid`."""
    try:
        db = open_reader(path)
        with closing(db.conn):
            return read(db)
    except (StoreUnavailable, sqlite3.Error) as error:
        raise SourceInvalid(path, f"not read: {error}", HINT) from error


def _archived(db: Any, store: Store) -> None:
    """Requests that have left the journal, sessions and stations."""
    tables = _tables(db)
    if "request" in tables:
        for row in stored_requests.read(db, -1e18, ""):
            store.requests.read += 1
            if not row.body:
                store.requests.drop("imported without its answer")
                continue
            _tell(store, row.at_s, unpacked(row), [first_inputs(row)])
    if "session" in tables:
        for session in stored_sessions.read(db, -1e18, "", ""):
            store.visits.read += 1
            store.visits.missing["recommendation_id"] += not session.recommendation_id
            store.visits.missing["user_id"] += not session.user_id
            end_s = session.started_at_s if session.ended_at_s is None else session.ended_at_s
            if not store.visits.bounded(session.started_at_s, end_s):
                store.visits.drop("ended before it began")
                continue
            store.visits.keep(session.evse_id)
            store.sessions.append(session)
    if "station" in tables:
        rows = db.execute('SELECT body FROM "station" ORDER BY rowid')
        store.stations.extend(_stations.decode(body) for (body,) in rows)


def _journal(db: Any, store: Store) -> None:
    """Answers of the newest hour, which go on where the archive ends, and what drivers told."""
    tables = _tables(db)
    if "step" in tables:
        before = set(store.told)
        for at_s, *kept in db.execute(_JOURNAL):
            answer = KeptAnswer(*kept)
            store.requests.read += answer.recommendation_id not in before
            before.add(answer.recommendation_id)
            _tell(store, at_s, answer, [])
    if "outcome" in tables:
        for recommendation_id, at_s, kind, evse_id in db.execute(_OUTCOMES):
            store.words.read += 1
            store.words.missing["evse_id"] += not evse_id
            if recommendation_id in store.outcomes:
                store.words.duplicates += 1  # the last word counts
            store.words.bounded(at_s, at_s)
            store.words.keep()
            store.outcomes[recommendation_id] = kind, evse_id


def _tell(store: Store, at_s: float, kept: KeptAnswer, first: list[bytes]) -> None:
    """Takes one stored answer in; a later one of the same recommendation follows the earlier."""
    if not kept.recommendation_id:
        store.requests.drop("nothing was recommended")
        return
    try:
        answer, request = _answers.decode(kept.answer), _asked.decode(kept.request)
    except msgspec.MsgspecError:
        store.requests.drop("stored by another version")
        return
    known = store.told.get(kept.recommendation_id)
    if known is None:
        known = store.told[kept.recommendation_id] = Told(at_s, request, answer)
    known.answer = answer
    known.inputs.extend(one for one in (*first, kept.inputs) if one and one not in known.inputs)


def _tables(db: Any) -> set[str]:
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in rows}
