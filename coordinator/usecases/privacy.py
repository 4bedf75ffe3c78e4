"""What is known of a person: all of it in one document, and none of it any more.

How rows are found and changed is the stores' affair. A driver is named by the `user_id`, and a car
without a known driver by its `vehicle_id`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import msgspec
import structlog

from coordinator.core.areas.ledger import ClaimState, Moment
from coordinator.core.district import District
from coordinator.usecases.events import Events
from coordinator.usecases.guide import Guidance
from coordinator.usecases.intention import Intentions
from coordinator.usecases.ledger import ClaimStore, KeptAnswer
from coordinator.usecases.person import Person
from coordinator.usecases.privacy_refusals import StillCharging, TracesLeft
from coordinator.usecases.promises import Promises
from coordinator.usecases.requests import StoredRequest
from coordinator.usecases.sessions import SessionBook

log = structlog.get_logger()


class PersonStore(Protocol):
    """The part of the telemetry store that knows people."""

    async def find_person(self, user_id: str) -> Person:
        """The person behind a name of a driver or of a car."""
        ...

    async def requests_of(self, person: Person) -> list[StoredRequest]:
        """Their requests in the archive, oldest first."""
        ...

    async def erase(self, person: Person) -> int:
        """Takes a person out of all tables; gives how many rows changed."""
        ...

    async def wipe(self, names: Collection[str]) -> list[str]:
        """Removes for good what is deleted; gives the files in which a name is left."""
        ...


@dataclass(slots=True)
class Privacy:
    """The use case behind ExportUser and EraseUser."""

    district: District
    book: SessionBook
    promises: Promises
    guidance: Guidance
    intentions: Intentions
    events: Events
    claims: ClaimStore
    store: PersonStore
    moment: Callable[[], Moment]
    stale_tastes: Callable[[], None]

    async def export(self, user_id: str) -> dict[str, Any]:
        """Everything that is known, ready to be written as JSON."""
        person = await self._person(user_id)
        kept, archived = await self.claims.told(person), await self.store.requests_of(person)
        sessions = await self._sessions(person)
        claims = [c for c in self.claims.table.remembered() if c.vehicle_id in person.vehicle_ids]
        user = self.district.users.get(user_id)
        answers = {row.recommendation_id for row in archived}
        answers |= {one.recommendation_id for one in kept}
        outcomes = {name: await self.claims.outcomes(name) for name in sorted(answers - {""})}
        return {
            "user_id": user_id,
            "vehicle_ids": sorted(person.vehicle_ids),
            "record": None if user is None else _plain(asdict(user)),
            "sessions": [_plain(asdict(session)) for session in sessions],
            "requests": [_archived(row) for row in archived] + [_kept(one) for one in kept],
            "claims": [_plain(asdict(claim)) for claim in claims],
            "outcomes": {
                n: [_plain(asdict(o)) for o in told] for n, told in outcomes.items() if told
            },
            "token_hashes": sorted(person.token_hashes),
            "token_kept": any(one.id_token or one.token_mark for one in kept),
            "visits": dict(self.book.visits.get(user_id, {})),
        }

    async def erase(self, user_id: str) -> int:
        """Forgets a person, in memory and in both files; gives how many entries changed.

        What is held for them is given back. Raises `StillCharging` while a car of theirs is at a
        pile, and `TracesLeft` if a name is still found in a file.
        """
        person = await self._person(user_id)
        await self._give_back(person)
        archived = await self.store.requests_of(person)
        self._forget(person)
        names = [row.recommendation_id for row in archived if row.recommendation_id]
        changed = await self.claims.erase(person, names, self.moment())
        changed += await self.store.erase(person)
        searched = person.names | person.token_hashes
        left = await self.claims.wipe(searched) + await self.store.wipe(searched)
        log.info("person erased", changed=changed, left=len(left))
        if left:
            raise TracesLeft(left)
        return changed

    async def _person(self, user_id: str) -> Person:
        """The person, with the cars for which the journal says that this driver asked."""
        await self.book.listed(float("inf"))  # what is not stored yet is stored by this
        person = await self.store.find_person(user_id)
        kept = await self.claims.told(person)
        drivers = self.district.drivers
        cars = {
            one.vehicle_id
            for one in kept
            if one.vehicle_id not in drivers or drivers[one.vehicle_id].user_id == user_id
        }
        return replace(person, vehicle_ids=person.vehicle_ids | cars)

    async def _sessions(self, person: Person) -> list[Any]:
        found = {}
        for vehicle_id in sorted(person.vehicle_ids):
            for session in await self.book.listed(0.0, vehicle_id=vehicle_id):
                found[session.key] = session
        if person.user_id:
            for session in await self.book.listed(0.0, user_id=person.user_id):
                found[session.key] = session
        return sorted(found.values(), key=lambda session: session.started_at_s)

    async def _give_back(self, person: Person) -> None:
        """Ends what is held for them; raises if a car of theirs is charging."""
        table = self.claims.table
        held = [
            claim
            for vehicle_id in person.vehicle_ids
            for claim in (*table.of_car(vehicle_id), *table.windows_of_car(vehicle_id))
        ]
        if any(claim.state is ClaimState.OCCUPIED for claim in held):
            raise StillCharging
        for claim in held:
            if claim.recommendation_id:
                await self.guidance.release(claim.recommendation_id)
            if (now := table.get(claim.claim_id)) is not None and now.live:
                await self.claims.release(claim.claim_id, self.moment())

    def _forget(self, person: Person) -> None:
        """Takes a person out of memory, the ledger apart."""
        self.promises.forget(person)
        self.book.forget(person)
        self.events.forget(person.names)
        user = self.district.users.pop(person.user_id, None)
        for vehicle_id in person.vehicle_ids | set(() if user is None else user.vehicle_ids):
            self.district.drivers.pop(vehicle_id, None)
        for name in person.names:
            self.intentions.history.forget(name)
            self.intentions.fleet.forget(name)
        self.stale_tastes()


def _plain(value: Any) -> Any:
    """A value as JSON has it: no numbers that are none, no bytes."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(entry) for entry in value]
    return value.hex() if isinstance(value, bytes) else value


def _archived(row: StoredRequest) -> dict[str, Any]:
    heads = asdict(row)
    body = heads.pop("body")
    if body:
        answer, request, inputs, *_ = msgspec.msgpack.decode(zlib.decompress(body))
        heads |= _told(answer, request, inputs)
    return dict(_plain(heads))


def _kept(kept: KeptAnswer) -> dict[str, Any]:
    heads = {
        "request_id": kept.request_id,
        "vehicle_id": kept.vehicle_id,
        "recommendation_id": kept.recommendation_id,
        **_told(kept.answer, kept.request, kept.inputs),
    }
    return dict(_plain(heads))


def _told(answer: bytes, request: bytes, inputs: bytes) -> dict[str, Any]:
    """What was asked and told, decoded; feature rows as they are."""
    return {
        "asked": msgspec.msgpack.decode(request),
        "told": msgspec.msgpack.decode(answer),
        "features": inputs,
    }
