"""Asks the districts near a car for candidates, all at once, and sorts what comes in time.

Who does not answer in time is left out, and named. Source: US 12,393,974 B2, claims 4-5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from coordinator.clock import Clock
from coordinator.core.recommend.asked import ask
from coordinator.core.recommend.context import Context, Models
from coordinator.core.recommend.districts import Sorted, sort_together
from coordinator.core.recommend.rules import Rules
from coordinator.core.vehicle import ChargingRequest
from coordinator.rpc.city.directory import Directory
from coordinator.rpc.city.link import DistrictLink
from coordinator.rpc.district_codec import to_share
from coordinator.rpc.relayed import Relayed
from coordinator.usecases.refusals import DistrictAway
from pilewise.v1 import charging_service_pb2 as charging
from pilewise.v1 import district_service_pb2 as wire

CANDIDATES = 64  # wanted of each district


@dataclass(slots=True)
class Found:
    """What districts answered, side by side and sorted."""

    asked: ChargingRequest
    sorted: Sorted
    answers: dict[str, wire.FindCandidatesResponse]
    unanswered: list[str] = field(default_factory=list)

    @property
    def answered(self) -> tuple[str, charging.Promise] | None:
        """What a district promised for the same request before, one that still stands first."""
        told = [(n, a.answered) for n, a in self.answers.items() if a.HasField("answered")]
        told.sort(key=lambda one: (not one[1].choice.hold.claim_id, -one[1].revision))
        return told[0] if told else None

    @property
    def held(self) -> list[tuple[str, wire.ClaimRecord]]:
        """What districts hold for the car now."""
        return [(name, claim) for name, answer in self.answers.items() for claim in answer.held]

    def facts_of(self, evse_id: str) -> wire.CandidateFacts | None:
        """What its district knows of a candidate."""
        every = (one for answer in self.answers.values() for one in answer.facts)
        return next((one for one in every if one.evse_id == evse_id), None)


class CandidateFinder:
    """Fans out and sorts; holds nothing."""

    def __init__(self, directory: Directory, models: Models, rules: Rules, clock: Clock) -> None:
        self._directory = directory
        self._models = models
        self._rules = rules
        self._clock = clock

    async def find(
        self, message: charging.RecommendRequest, asked: ChargingRequest, *, signed_vip: bool
    ) -> Found:
        """The candidates of all districts near the car, best first; `asked` is the message read.

        Raises `DistrictAway` if there are districts near and none answers.
        """
        context, now_s = self._context(asked), self._clock.now_s()
        reach_km = float(ask([asked], [context], now_s).reach_km[0, 0])
        links = self._directory.near((asked.latitude_deg, asked.longitude_deg), reach_km)
        answers, unanswered = await self._ask(links, message, signed_vip=signed_vip)
        if unanswered and not answers:
            raise DistrictAway(", ".join(unanswered), "none near the car answered in time")
        shares = [to_share(a) for a in answers.values() if not a.HasField("answered")]
        together = sort_together(asked, context, shares, self._models, self._clock.now_s())
        return Found(asked, together, answers, unanswered)

    async def _ask(
        self,
        links: Sequence[DistrictLink],
        message: charging.RecommendRequest,
        *,
        signed_vip: bool,
    ) -> tuple[dict[str, wire.FindCandidatesResponse], list[str]]:
        """What each district answers, by name, and who did not."""
        request = wire.FindCandidatesRequest(
            request=message, limit=CANDIDATES, signed_vip=signed_vip
        )
        calls = (link.find(request) for link in links)
        told = await asyncio.gather(*calls, return_exceptions=True)
        answers, unanswered = {}, []
        for link, answer in zip(links, told, strict=True):
            if isinstance(answer, wire.FindCandidatesResponse):
                answers[link.name] = answer
            elif isinstance(answer, DistrictAway) or _is_busy(answer):
                unanswered.append(link.name)
            elif isinstance(answer, BaseException):
                raise answer
        return answers, unanswered

    def _context(self, asked: ChargingRequest) -> Context:
        """The city's own view: what is around the car is known to the districts."""
        return Context(rules=self._rules, utc_offset_h=round(asked.longitude_deg / 15.0))


def _is_busy(answer: BaseException) -> bool:
    return isinstance(answer, Relayed) and answer.status.code.name == "RESOURCE_EXHAUSTED"
