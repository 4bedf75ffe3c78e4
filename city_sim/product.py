"""Pilewise itself as a policy: the production pipeline, models and exclusion rule, no sockets.

Ranks with `coordinator.core.recommend.pipeline`, claims the first place that the ledger's index
grants, and asks again when the held EVSE fails. What the coordinator would learn by reports is
taken from the engine's district.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from city_sim.cars import Car, Choice, Doing
from city_sim.engine import Engine
from coordinator.core.areas.claim_index import ClaimIndex
from coordinator.core.areas.ledger import Claim, ClaimState, Moment, Refused, Step
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.pipeline import Ranked, rank
from coordinator.core.roads import Roads
from coordinator.core.vehicle import ChargingRequest, WarningLevel
from coordinator.usecases.mirror import Mirror

TRIES = 16
FOREVER_S = 1e12


class Pilewise:
    """The product's decisions. `roads` must tell the times that the engine drives by."""

    name = "pilewise"

    def __init__(
        self, roads: Roads, models: Models | None = None, utc_offset_h: float = 0.0
    ) -> None:
        self._models = models or Models()
        self._context = Context(roads=roads, utc_offset_h=utc_offset_h)
        self._index = ClaimIndex()
        self._mirror: Mirror | None = None
        self._claims: dict[int, str] = {}
        self._visits: dict[str, dict[int, int]] = {}
        self._number = count()
        self.conflicts = 0
        self.degraded = 0

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The best place that the ledger grants; the car's earlier claim ends with it."""
        if self._mirror is None:
            self._mirror = Mirror(engine.district, self._index.table)
        engine.district.observed_at_s[:] = engine.now_s
        moment = Moment(engine.now_s, engine.now_s)
        request = _request(engine, car)
        self._release(engine, car)
        visits = self._visits.get(car.demand.user_id, {})
        ranked = rank(
            engine.district,
            request,
            replace(self._context, visits=visits),
            self._models,
            engine.now_s,
        )
        if ranked.columns is None:
            return None
        self.conflicts += ranked.conflict
        self.degraded += bool(ranked.degraded)
        for place in ranked.order[:TRIES].tolist():
            wish = self._wish(engine, car, request, ranked, place)
            step = self._index.claim(wish, moment)
            if isinstance(step, Refused):
                continue
            self._claims[car.index] = wish.claim_id
            self._copy(step)
            self._index.confirm(wish.claim_id, FOREVER_S, moment)
            evse = engine.district.row[wish.evse_id]
            return Choice(int(engine.district.station[evse]), evse, wish.from_s, wish.to_s)
        return None

    def revise(self, engine: Engine, car: Car) -> Choice | None:
        """Another place when the held one failed, is blocked, or was taken by a walk-in."""
        if car.evse < 0:
            return None
        occupant = int(engine.occupant[car.evse])
        taken = occupant >= 0 and engine.cars[occupant].demand.walk_in
        if not taken and engine.usable()[car.evse]:
            return None
        return self.choose(engine, car)

    def plugged(self, engine: Engine, car: Car) -> None:
        """The claim follows the car to the EVSE that it took, until it should be charged."""
        if car.demand.walk_in:
            return
        moment = Moment(engine.now_s, engine.now_s)
        claim_id = self._claims.get(car.index, "")
        claim = self._index.table.get(claim_id)
        evse_id = engine.district.evse_ids[car.evse]
        if claim is None or claim.evse_id != evse_id:
            self._release(engine, car)
            wish = self._claim(car, evse_id, engine.now_s, float(engine.ends_s[car.evse]))
            step = self._index.claim(wish, moment)
            if isinstance(step, Refused):
                return
            self._claims[car.index] = claim_id = wish.claim_id
            self._copy(step)
        step = self._index.occupy(claim_id, float(engine.ends_s[car.evse]), moment)
        if isinstance(step, Step):
            self._copy(step)
        visits = self._visits.setdefault(car.demand.user_id, {})
        visits[car.station] = visits.get(car.station, 0) + 1

    def gone(self, engine: Engine, car: Car) -> None:
        """The place is given back."""
        self._release(engine, car)

    def _release(self, engine: Engine, car: Car) -> None:
        claim_id = self._claims.pop(car.index, None)
        if claim_id is not None:
            done = car.doing is Doing.LEFT
            step = self._index.end(claim_id, ClaimState.DONE if done else ClaimState.RELEASED)
            if isinstance(step, Step):
                self._copy(step)

    def _copy(self, step: Step) -> None:
        assert self._mirror is not None
        self._mirror.copy(step.evse_ids)

    def _wish(
        self, engine: Engine, car: Car, request: ChargingRequest, ranked: Ranked, place: int
    ) -> Claim:
        """The claim to ask for: from now, or from the end of the last one, until charged."""
        columns = ranked.columns
        assert columns is not None
        evse_id = engine.district.evse_ids[int(columns.candidates.evse[place])]
        now_s = engine.now_s
        from_s = max([now_s, *(c.to_s for c in self._index.table.of_evse(evse_id))])
        ready_s = max(float(columns.drive.drive_s[place]), float(columns.wait.free_in_s[place]))
        begin_s = max(now_s + ready_s, from_s)
        stay_s = request.vehicle.setup_s + float(columns.charge_s[place])
        claim = self._claim(car, evse_id, from_s, begin_s + max(stay_s, 60.0))
        return replace(claim, level=ranked.level)

    def _claim(self, car: Car, evse_id: str, from_s: float, to_s: float) -> Claim:
        return Claim(
            f"c{next(self._number)}",
            evse_id,
            _vehicle_id(car),
            from_s,
            to_s,
            level=WarningLevel.LOW,
            state=ClaimState.OFFERED,
            lease_until_s=FOREVER_S,
        )


def _vehicle_id(car: Car) -> str:
    return car.demand.car_id or f"car{car.index}"


def _request(engine: Engine, car: Car) -> ChargingRequest:
    latitude_deg, longitude_deg = engine.position(car)
    demand = car.demand
    return ChargingRequest(
        f"{_vehicle_id(car)}-{car.version}",
        _vehicle_id(car),
        demand.vehicle,
        car.soc_pct,
        latitude_deg,
        longitude_deg,
        user_id=demand.user_id,
        target_soc_pct=demand.target_soc_pct,
        destination=demand.destination,
        purpose=demand.purpose,
        charge_place=demand.charge_place,
        arrive_by_s=demand.arrive_by_s,
    )
