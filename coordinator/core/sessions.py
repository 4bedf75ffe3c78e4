"""Sessions with everything known of them: who charged where, from when to when, how much, how well.

How a session shows in the rows of a pile is in `history.py`; who may be its car is asked elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from coordinator.core.district import District
from coordinator.core.history import Session
from coordinator.core.rates import rate_at, valid

NAN = float("nan")
# Where a session is known from.
READINGS, IMPORT = "readings", "import"

Key = tuple[str, float]
Visits = dict[str, Counter[str]]  # user to station to count: c_ij of paper Eq. (3)


@dataclass(frozen=True, slots=True)
class ChargeSession:
    """A car at an EVSE, from plug-in to plug-out. NaN, None and empty mean unknown.

    Source: US 12,393,974 B2, step 510 (charging history); paper 2.1.
    """

    evse_id: str
    started_at_s: float
    ended_at_s: float | None = None  # None: the car is still there
    station_id: str = ""
    vehicle_id: str = ""
    user_id: str = ""
    energy_kwh: float = NAN
    start_energy_kwh: float = NAN  # of the meter's register
    start_soc_pct: float = NAN
    end_soc_pct: float = NAN
    queue_length: int | None = None  # cars that were ahead when it came
    wait_s: float = NAN  # from its word that it is there to plug-in
    price: float = NAN  # for energy, time and flat fee, in `currency`
    currency: str = ""
    ended_by_fault: bool = False
    recommendation_id: str = ""  # the promise that it came by
    id_token_hash: str = ""
    source: str = READINGS
    promised_at_s: float = NAN  # when its car was promised a place; NaN for one that just came

    @property
    def key(self) -> Key:
        """Names the session: one car at a time stands at an EVSE."""
        return self.evse_id, self.started_at_s

    @property
    def start_at_ms(self) -> int:
        """Plug-in, domain time."""
        return round(self.started_at_s * 1000)

    @property
    def end_at_ms(self) -> int | None:
        """Plug-out, domain time; None while the car is there."""
        return None if self.ended_at_s is None else round(self.ended_at_s * 1000)

    @property
    def duration_s(self) -> float:
        """From plug-in to plug-out; NaN while the car is there.

        >>> ChargeSession("P*1", 10.0, 70.0).duration_s
        60.0
        """
        return NAN if self.ended_at_s is None else self.ended_at_s - self.started_at_s


def measured(known: ChargeSession | None, seen: Session, district: District) -> ChargeSession:
    """The session as the rows show it now; what was known of its car and its queue stays.

    The queue is read at the first sight of it, before its own row is believed.

    Source: US 12,393,974 B2, step 510 (historical charging data).
    """
    row = district.row.get(seen.evse_id)
    if known is None or known.key != (seen.evse_id, seen.started_at_s):
        queue = 0 if row is None else int(district.queue_length[row])
        known = ChargeSession(seen.evse_id, seen.started_at_s, queue_length=queue or None)
    if row is not None:
        station_id = district.stations[int(district.station[row])].station_id
        known = replace(known, station_id=station_id)
    known = replace(
        known,
        ended_at_s=seen.ended_at_s,
        energy_kwh=seen.energy_kwh if seen.energy_kwh >= 0 else NAN,
        start_energy_kwh=seen.start_energy_kwh,
        start_soc_pct=seen.start_soc_pct,
        end_soc_pct=seen.end_soc_pct,
        ended_by_fault=seen.ended_by_fault,
    )
    price, currency = price_of(district, known)
    return replace(known, price=price, currency=currency)


def nobodys(session: ChargeSession) -> ChargeSession:
    """The session as a reading of the pile alone: whose it was is taken out.

    Source: US 12,393,974 B2, step 510 (charging history).
    """
    return replace(session, vehicle_id="", user_id="", recommendation_id="", id_token_hash="")


def price_of(district: District, session: ChargeSession) -> tuple[float, str]:
    """What an ended session cost by the tariff of its begin, and the currency; NaN if unknown.

    Source: paper 2.3.2.2 (price).
    """
    row = district.station_row.get(session.station_id)
    tariff = None if row is None else district.tariffs.get(district.stations[row].tariff_id)
    if tariff is None or session.ended_at_s is None or not valid(tariff, session.started_at_s):
        return NAN, ""
    rate = rate_at(tariff, session.started_at_s)
    return rate.total(session.energy_kwh, session.duration_s), tariff.currency


def visits_of(sessions: Iterable[ChargeSession]) -> Visits:
    """How often each user charged at each station: c_ij. Source: paper Eq. (3).

    >>> visits_of([ChargeSession("P*1", t, station_id="S", user_id="u") for t in (1.0, 2.0)])
    {'u': Counter({'S': 2})}
    """
    visits: Visits = {}
    for session in sessions:
        if session.user_id and session.station_id:
            visits.setdefault(session.user_id, Counter())[session.station_id] += 1
    return visits
