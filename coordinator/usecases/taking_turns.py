"""Cars that wait at a station take whichever of its plugs is free first, by need and promise.

Whose turn it is, is decided in `core/areas/station_turns.py`; who stands there and what has changed
is told by `watchman.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from coordinator.core.areas.ledger import Claim, ClaimState, Moment, Move, Step
from coordinator.core.areas.places import kinds_of
from coordinator.core.areas.station_turns import NEVER_S, Guest, Turn, in_turn
from coordinator.core.district import District
from coordinator.core.recommend import explain, pipeline
from coordinator.core.recommend.context import OwnPlace
from coordinator.usecases import wording
from coordinator.usecases.answer import Change, Stage
from coordinator.usecases.ledger import ClaimStore, KeptAnswer
from coordinator.usecases.plugs_ready import plugs_ready_s
from coordinator.usecases.promises import Promise, Promises
from coordinator.usecases.queue import QUEUE_DELAYED, YOUR_TURN
from coordinator.usecases.reroute import Rerouter, Revision
from coordinator.usecases.world import World

BETTER = "BETTER"
NO_LIMIT = 32_000  # of cars promised one EVSE: how many there are does not change here


@dataclass(frozen=True, slots=True)
class Window:
    """What a car is to have: an EVSE from then to then, behind so many others."""

    promise: Promise
    claim: Claim
    row: int
    from_s: float
    to_s: float
    begin_s: float
    ahead: int
    free_s: float  # when the last one before it has gone


class TakingTurns:
    """Gives waiting cars their turns anew where that serves the more urgent, or all, sooner."""

    def __init__(
        self,
        district: District,
        world: World,
        claims: ClaimStore,
        promises: Promises,
        rerouter: Rerouter,
    ) -> None:
        self._district = district
        self._world = world
        self._claims = claims
        self._promises = promises
        self._rerouter = rerouter
        self._waiting: set[str] = set()  # stations where a car was said to stand
        self._due: set[str] = set()

    def on_arrived(self, promise: Promise) -> None:
        """A car stands at its station; returns at once."""
        station_id = promise.answer.choice.station_id
        self._waiting.add(station_id)
        self._due.add(station_id)

    def on_evses(self, evse_ids: Iterable[str]) -> bool:
        """Takes EVSEs where something has changed; whether anybody waits there."""
        if not self._waiting:
            return False
        rows, district = self._district.row, self._district
        stations = (district.station[rows[evse]] for evse in evse_ids if evse in rows)
        here = {district.stations[int(row)].station_id for row in stations} & self._waiting
        self._due |= here
        return bool(here)

    async def settle(self, moment: Moment) -> None:
        """Looks at the stations where something has changed since, while anybody waits there."""
        due, self._due = self._due, set()
        for station_id in sorted(due):
            await self._look(station_id, moment)
        self._due -= due  # what was changed here is settled

    async def _look(self, station_id: str, moment: Moment) -> None:
        row = self._district.station_row.get(station_id)
        known = [] if row is None else self._promised(row)
        if not any(_stands(promise) for promise, _ in known):
            self._waiting.discard(station_id)
            return
        kinds = kinds_of(self._district)
        of_kind: dict[int, list[tuple[Promise, Claim]]] = {}
        for promise, claim in known:
            kind = int(kinds[self._district.row[claim.evse_id]])
            of_kind.setdefault(kind, []).append((promise, claim))
        start = int(self._district.station_start[row])
        here = range(start, start + int(self._district.station_size[row]))
        for kind, cars in of_kind.items():
            if any(_stands(promise) for promise, _ in cars):
                rows = [at for at in here if kinds[at] == kind]
                await self._take(cars, rows, moment)

    def _promised(self, station: int) -> list[tuple[Promise, Claim]]:
        """Cars that are to plug in here, in the order of their turns at each EVSE."""
        start = int(self._district.station_start[station])
        rows = range(start, start + int(self._district.station_size[station]))
        claims = [
            c for row in rows for c in self._claims.table.of_evse(self._district.evse_ids[row])
        ]
        found = [(self._promises.of_claim(claim.claim_id), claim) for claim in claims]
        return [
            (promise, claim)
            for promise, claim in found
            if promise is not None and claim.state is not ClaimState.OCCUPIED
        ]

    async def _take(
        self, cars: Sequence[tuple[Promise, Claim]], rows: Sequence[int], moment: Moment
    ) -> None:
        """Moves the cars of one kind of plug to better turns, all in one step, if there are any."""
        plugging = self._plugging(cars)
        ready_s = plugs_ready_s(self._district, self._claims.table, rows, plugging, moment)
        guests: list[Guest] = []
        for promise, claim in cars:
            plug = rows.index(self._district.row[claim.evse_id])
            first = all(guest.plug != plug for guest in guests)
            guest = self._guest(promise, claim, plug, first and ready_s[plug] < NEVER_S, moment)
            begins = first and rows[plug] in plugging and ready_s[plug] <= 0.0
            guests.append(replace(guest, fixed=guest.fixed or begins))
        while True:
            turns = in_turn(guests, ready_s)
            if turns is None:
                return
            refused = [
                number
                for number, turn in enumerate(turns)
                if turn.plug != guests[number].plug
                and self._district.evse_ids[rows[turn.plug]] in cars[number][0].refused
            ]
            if not refused:
                break
            for number in refused:
                guests[number] = replace(guests[number], fixed=True)
        windows = self._windows(cars, guests, turns, rows, ready_s, moment)
        await self._move(windows, moment)

    def _guest(
        self, promise: Promise, claim: Claim, plug: int, first: bool, moment: Moment
    ) -> Guest:
        stands = _stands(promise)
        figures = promise.answer.choice.figures
        arrives_s = promise.answer.made_at_s + figures.eta_s
        firm = claim.state is ClaimState.CONFIRMED and not claim.moving
        told = not stands and promise.answer.stage is Stage.PILE
        return Guest(
            int(claim.level),
            plug,
            0.0 if stands else max(arrives_s - moment.now_s, 0.0),
            max(claim.from_s, arrives_s) - moment.now_s,
            figures.charge_s + promise.request.vehicle.setup_s,
            told,
            not firm or promise.proposal is not None or (told and first),
        )

    def _plugging(self, cars: Sequence[tuple[Promise, Claim]]) -> frozenset[int]:
        """Rows whose first promised car stands there: it may be in the bay, not plugged in yet."""
        firsts: dict[str, Promise] = {}
        for promise, claim in cars:
            firsts.setdefault(claim.evse_id, promise)
        return frozenset(self._district.row[evse] for evse, car in firsts.items() if _stands(car))

    def _windows(
        self,
        cars: Sequence[tuple[Promise, Claim]],
        guests: Sequence[Guest],
        turns: Sequence[Turn],
        rows: Sequence[int],
        ready_s: Sequence[float],
        moment: Moment,
    ) -> list[Window]:
        """The windows that change: of who gets another plug, or would be in the way of one."""
        made = []
        for plug, row in enumerate(rows):
            numbers = [number for number, turn in enumerate(turns) if turn.plug == plug]
            numbers.sort(key=lambda number: (turns[number].begin_s, number))
            free_s, ahead = moment.now_s + ready_s[plug], int(ready_s[plug] > 0.0)
            there = [c.to_s for c in self._claims.table.of_evse(self._district.evse_ids[row])
                     if c.state is ClaimState.OCCUPIED]  # fmt: skip
            free_s = max([free_s, *there]) if numbers else free_s
            for number in numbers:
                promise, claim = cars[number]
                begin_s = max(moment.now_s + turns[number].begin_s, free_s)
                stays = guests[number].plug == plug
                if stays and claim.from_s >= free_s - 1.0:
                    free_s = claim.to_s
                else:
                    to_s = begin_s + max(guests[number].stay_s, 60.0)
                    from_s = (
                        claim.from_s if stays and claim.from_s <= free_s and not ahead else free_s
                    )
                    made.append(Window(promise, claim, row, from_s, to_s, begin_s, ahead, free_s))
                    free_s = to_s
                ahead += 1
        return made

    async def _move(self, windows: Sequence[Window], moment: Moment) -> None:
        revisions = [self._revision(window, moment) for window in windows]
        made = [revision for revision in revisions if revision is not None]
        if not made or len(made) < len(revisions):
            return
        moves = [
            Move(window.claim.claim_id, r.claim) for window, r in zip(windows, made, strict=True)
        ]
        expected = {window.claim.claim_id: window.claim.revision for window in windows}

        def answering(step: Step) -> Sequence[KeptAnswer]:
            return [revision.compose() for revision in made]

        step = await self._claims.apply(moves, expected, moment, answering)
        if not isinstance(step, Step):
            return
        for window, revision in zip(windows, made, strict=True):
            arrived_link_s, promise = window.promise.arrived_link_s, window.promise
            self._rerouter.told(promise, revision)
            if arrived_link_s > float("-inf"):
                now = window.begin_s <= moment.now_s
                promise.arrived_link_s = moment.link_s if now else arrived_link_s
                promise.arrived_evse_id = revision.claim.evse_id

    def _revision(self, window: Window, moment: Moment) -> Revision | None:
        """The next revision of a car's promise, with its turn; None if it cannot be had."""
        promise = window.promise
        own = OwnPlace(window.row, window.free_s if window.ahead else float("-inf"), window.ahead)
        around = self._world.around(promise.request, only=frozenset({window.row}))
        rules = replace(around.rules, queue_places=NO_LIMIT)
        context = replace(around, own=(own,), rules=rules)
        models = self._rerouter.models.now
        ranked = pipeline.rank(self._district, promise.request, context, models, moment.now_s)
        if ranked.columns is None:
            return None
        revision = self._rerouter.revision(promise, context, ranked, 0, BETTER, moment)
        revision.claim = replace(
            revision.claim, from_s=window.from_s, to_s=window.to_s, level=window.claim.level
        )
        revision.change = self._change(window, moment)
        return revision

    def _change(self, window: Window, moment: Moment) -> Change:
        """What the car is told: it is its turn, or it waits longer, or it has a better place."""
        promise = window.promise
        choice, language = promise.answer.choice, promise.request.language
        name = wording.place_of(self._district, window.row).name
        wait_s = max(
            window.begin_s - max(moment.now_s, promise.answer.made_at_s + choice.figures.eta_s), 0.0
        )
        before_s = promise.answer.made_at_s + choice.figures.eta_s + choice.figures.wait_s
        if not window.ahead and _stands(promise):
            code = YOUR_TURN
        else:
            code = QUEUE_DELAYED if window.begin_s > before_s + 60.0 else BETTER
        facts = {"name": name, "wait": explain.minutes(wait_s)}
        text = explain.sentence(code, language, facts)
        return Change(code, text, choice.evse_id, self._district.evse_ids[window.row])


def _stands(promise: Promise) -> bool:
    return promise.arrived_link_s > float("-inf")
