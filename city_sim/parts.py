"""Parts of the product that can be taken out, to see what each is worth: by settings and ports.

The parts themselves are the coordinator's; how they are put together is in `thinking.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from coordinator.core.areas.ledger import Claim, Moment, Refused, Step
from coordinator.core.recommend.rules import DEFAULT_RULES, Rules
from coordinator.errors import StoreUnavailable
from coordinator.store.claims import MemoryClaims
from coordinator.usecases.ledger import Answering


@dataclass(frozen=True, slots=True)
class Parts:
    """What takes part.

    `hold`: the ledger grants claims; without it answers are recommendations only, as when the
    store is lost. `replan`: the joint re-plan every half minute; without it only lost places are
    replaced. `portrait`: who charged where, and who is alike; without it nobody has a history.
    `knowledge_map`: rates by evidence and likeness; without it all plugs have the usual rate.
    `chain`: warning levels and filters; without it all cars are alike and nothing is filtered.
    """

    hold: bool = True
    replan: bool = True
    portrait: bool = True
    knowledge_map: bool = True
    chain: bool = True

    def without(self, name: str) -> Parts:
        """The same less one part, by its name with dashes.

        >>> Parts().without("knowledge-map").knowledge_map
        False
        """
        return replace(self, **{name.replace("-", "_"): False})

    @property
    def rules(self) -> Rules:
        """The figures of the pipeline with these parts."""
        return DEFAULT_RULES if self.chain else UNCHAINED


WHOLE = Parts()
REMOVABLE = ("hold", "replan", "portrait", "knowledge-map", "chain")

_NEVER = 1e9
# Nobody is urgent, and every filter passes all; how many may queue at an EVSE is the ledger's.
UNCHAINED = replace(
    DEFAULT_RULES,
    high_soc_pct=-1.0,
    medium_soc_pct=-1.0,
    high_time_left_min=-1.0,
    high_piles_in_reach=0,
    cars_per_pile=_NEVER,
    thin_evse_per_km2=0.0,
    nearest_band_km=0.0,
    farthest_band_share=_NEVER,
    charge_rate_share=0.0,
    likely_to_fail=2.0,
    longest_wait_s=_NEVER,
    dearest_times=_NEVER,
    worst_grade=_NEVER,
    overused=_NEVER,
)


class NoClaims(MemoryClaims):
    """A ledger whose store is lost: it grants nothing."""

    async def claim(
        self, wish: Claim, moment: Moment, answering: Answering | None = None
    ) -> Step | Refused:
        """Raises StoreUnavailable."""
        raise StoreUnavailable("claims", "none are kept here")
