"""Which call needs which scope, and whose the thing must be that it touches: one table.

A method that is not in the table is not served where identities are configured. How the rules are
applied is in `door.py`; who has which scope is in `core/caller.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from coordinator.core.caller import OF_CARS, Scope
from coordinator.importers.export import RECORDS


class Whose(Enum):
    """What of a request has to be the caller's own. What is not is NOT_FOUND if the caller named an
    answer, as if there were none, and PERMISSION_DENIED if it named a car or a driver."""

    NOBODYS = auto()  # it names nothing of anybody
    VEHICLE = auto()  # vehicle_id, and user_id where it is said
    ANSWER = auto()  # recommendation_id, or request_id: the answer is that of a car
    OPENING = auto()  # the first message of a stream names an answer, or a car's wish


@dataclass(frozen=True, slots=True)
class Rule:
    """Any one of the scopes is enough; NONE lets everybody in. `once`: a call that was made with
    a token is not taken again with the same token."""

    scopes: Scope
    whose: Whose = Whose.NOBODYS
    once: bool = False
    # A field of the request, and what it needs where it has one of these values.
    narrow: tuple[str, frozenset[str], Scope] | None = None


OPEN = Rule(Scope.NONE)
# A city passes on what cars say to it; it has seen their tokens itself.
FOR_CARS = OF_CARS | Scope.DISTRICT
MAP = Rule(FOR_CARS | Scope.READ)
OWN_CAR = Rule(FOR_CARS, Whose.VEHICLE)
OWN_ANSWER = Rule(FOR_CARS, Whose.ANSWER)
OWN_STREAM = Rule(FOR_CARS, Whose.OPENING)
AGENT = Rule(Scope.AGENT)
READ = Rule(Scope.READ)
WRITE = Rule(Scope.WRITE)
WRITE_ONCE = Rule(Scope.WRITE, once=True)
ADMIN = Rule(Scope.ADMIN)
ADMIN_ONCE = Rule(Scope.ADMIN, once=True)
PEER = Rule(Scope.DISTRICT)
# What tells where everybody was needs the right that one person's record needs.
FILES = Rule(Scope.READ, narrow=("format", frozenset(RECORDS), Scope.ADMIN))

SERVICES: Mapping[str, Mapping[str, Rule]] = {
    "pilewise.v1.ChargingService": {
        "Recommend": OWN_CAR,
        "Confirm": OWN_ANSWER,
        "Guide": OWN_STREAM,
        "UpdateProgress": OWN_ANSWER,
        "GetRecommendation": OWN_ANSWER,
        "ListStations": MAP,
        "Release": OWN_ANSWER,
        "ReportOutcome": OWN_ANSWER,
        "DetectIntention": OWN_CAR,
    },
    "pilewise.v1.EdgeService": {
        "Enroll": OPEN,  # its bootstrap token is the proof
        "Renew": AGENT,
        "Connect": AGENT,
    },
    "pilewise.v1.DistrictService": {
        "FindCandidates": PEER,
        "Claim": PEER,
        "Confirm": PEER,
        "Release": PEER,
        "Renew": PEER,
        "WatchClaims": PEER,
        "Summarize": PEER,
        "GetUserHistory": PEER,
        "EraseUser": PEER,
        "GetPromise": PEER,
        "WatchSummary": PEER,
    },
    "pilewise.v1.OperatorService": {
        "ListPiles": READ,
        "Watch": READ,
        "Explain": READ,
        "GetIndexes": READ,
        "ListPileFacts": READ,
        "GetKnowledgeMap": READ,
        "ListModels": READ,
        "CompareModels": READ,
        "ListAgents": READ,
        "ListClaims": READ,
        "GetFrames": READ,
        "Export": FILES,
        "ListDistricts": READ,
        "Command": WRITE_ONCE,
        "PutPiles": WRITE,
        "RetirePile": WRITE,
        "PutPlannedOutages": WRITE,
        "PutUsers": WRITE,
        "PutSessions": WRITE,
        "PutRequests": WRITE,
        "PutContext": WRITE,
        "PutStations": WRITE,
        "PutTariffs": WRITE,
        "PutRoads": WRITE,
        "UpdateKnowledgeMap": WRITE,
        "ReleaseClaim": WRITE,
        "ActivateModel": ADMIN,
        "RevokeAgent": ADMIN,
        "AssignPile": ADMIN,
        "IssueToken": ADMIN_ONCE,
        "Backup": ADMIN,
        "AdvanceFence": ADMIN_ONCE,
        "ExportUser": ADMIN,
        "EraseUser": ADMIN,
    },
}

_HEALTH = "grpc.health.v1.Health/"

TABLE: Mapping[str, Rule] = {
    f"{service}/{name}": rule for service, rules in SERVICES.items() for name, rule in rules.items()
}


def rule_of(method: str) -> Rule | None:
    """The rule of `service/Method`; None if there is none, so that nobody may call it.

    >>> rule_of("pilewise.v1.ChargingService/Recommend").whose.name
    'VEHICLE'
    >>> rule_of("pilewise.v1.ChargingService/Invented") is None
    True
    """
    return OPEN if method.startswith(_HEALTH) else TABLE.get(method)
