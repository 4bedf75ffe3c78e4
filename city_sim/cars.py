"""Cars in the city and what decides for them: nouns shared by the engine and the policies."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from city_sim.demand import Demand
from coordinator.core.pile import EvseStatus

if TYPE_CHECKING:
    from city_sim.engine import Engine


class Doing(Enum):
    """What a car does now."""

    AWAY = "away"
    DRIVING = "driving"
    WAITING = "waiting"
    CHARGING = "charging"
    LEFT = "left"


@dataclass(slots=True)
class Car:
    """A car in the city. `drive_s` and `wait_s` count what is over; what is not began at `since_s`.

    `station` and `evse` are rows of the district: where it drives or stands, and the EVSE that is
    held for it or that it is plugged into; -1 means none. `done_share` is the part of its charge
    that it already has. A `stranger` drives to the nearest station, whatever the policy says.
    `way` has the turns of its way: where it set out, was sent elsewhere, came.
    """

    index: int
    demand: Demand
    doing: Doing = Doing.AWAY
    latitude_deg: float = 0.0
    longitude_deg: float = 0.0
    soc_pct: float = 0.0
    station: int = -1
    evse: int = -1
    since_s: float = 0.0
    arrives_s: float = 0.0
    drive_s: float = 0.0
    wait_s: float = 0.0
    switches: int = 0
    turned_away: int = 0
    tried: set[int] = field(default_factory=set)
    done_share: float = 0.0
    way: list[tuple[float, float]] = field(default_factory=list)
    version: int = 0
    stranger: bool = False

    @classmethod
    def of(cls, index: int, demand: Demand) -> Car:
        """A car as it stands when it asks."""
        return cls(
            index,
            demand,
            latitude_deg=demand.latitude_deg,
            longitude_deg=demand.longitude_deg,
            soc_pct=demand.soc_pct,
            stranger=demand.walk_in,
        )

    @property
    def served(self) -> bool:
        """Whether it has begun to charge and was not thrown out."""
        return self.doing in (Doing.CHARGING, Doing.LEFT)

    def count(self, now_s: float) -> None:
        """Adds what it has done since `since_s`, if that was driving or waiting."""
        if self.doing is Doing.DRIVING:
            self.drive_s += now_s - self.since_s
        elif self.doing is Doing.WAITING:
            self.wait_s += now_s - self.since_s

    def turns(self, latitude_deg: float, longitude_deg: float) -> None:
        """It is here now, and its way goes on from here."""
        self.latitude_deg, self.longitude_deg = latitude_deg, longitude_deg
        self.way.append((latitude_deg, longitude_deg))

    def on_the_way(self, now_s: float, to_deg: tuple[float, float]) -> tuple[float, float]:
        """Where it is while it drives: on the line between its start and its station.

        >>> car = Car(0, Demand(0.0, 10.0, 20.0, 50.0), arrives_s=100.0)
        >>> car.latitude_deg, car.longitude_deg = 10.0, 20.0
        >>> car.on_the_way(25.0, (14.0, 20.0))
        (11.0, 20.0)
        """
        length_s = self.arrives_s - self.since_s
        share = min((now_s - self.since_s) / length_s, 1.0) if length_s > 0 else 1.0
        return (
            self.latitude_deg + share * (float(to_deg[0]) - self.latitude_deg),
            self.longitude_deg + share * (float(to_deg[1]) - self.longitude_deg),
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a car is sent: a station, and the EVSE held for it in `[from_s, to_s)` if one is."""

    station: int
    evse: int = -1
    from_s: float = 0.0
    to_s: float = 0.0


class Policy(Protocol):
    """Sends cars."""

    @property
    def name(self) -> str:
        """How reports call it."""

    @property
    def period_s(self) -> float:
        """How often it looks at all cars; 0 for never."""

    def choose(self, engine: Engine, car: Car) -> Choice | None:
        """The choice for a car as it stands now; None when nothing can be said.

        Asked at the request, again every two minutes after None, and when a car finds nothing that
        works at its station, or has lost what was held for it.
        """

    def arrived(self, engine: Engine, car: Car) -> None:
        """Hears that a car stands at its station."""

    def plugged(self, engine: Engine, car: Car) -> None:
        """Hears that a car has begun to charge at `car.evse`."""

    def restated(self, engine: Engine, evse: int, before: EvseStatus, after: EvseStatus) -> None:
        """Hears what an EVSE reports when its status changes."""

    def react(self, engine: Engine) -> set[int]:
        """Thinks about what it has heard; gives the stations where a car may plug in by it."""

    def tick(self, engine: Engine) -> None:
        """Looks at all cars; called every `period_s`, for policies that have one."""

    def ended(self) -> None:
        """The run is over."""

    def gone(self, engine: Engine, car: Car) -> None:
        """Hears that a car needs nothing any more, or was thrown out."""
