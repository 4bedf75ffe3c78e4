"""Who calls, and what they may do: scopes, and which cars and drivers are theirs.

How a caller proves it is in `coordinator/bearers.py`; which call needs what is in `rpc/access.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto


class Scope(Flag):
    """What a caller may do; a greater right of an operator brings the smaller ones."""

    NONE = 0
    CAR = auto()  # as one car
    FLEET = auto()  # as each of several cars: a fleet, or a navigation service
    READ = auto()  # an operator who looks
    WRITE = auto()  # an operator who changes what is kept and asks piles
    ADMIN = auto()  # an operator who lets in, shuts out and erases
    AGENT = auto()  # a gateway, by its certificate; never by a token
    DISTRICT = auto()  # a coordinator of the city


WORDS = {
    "car": Scope.CAR,
    "fleet": Scope.FLEET,
    "operator.read": Scope.READ,
    "operator.write": Scope.WRITE | Scope.READ,
    "admin": Scope.ADMIN | Scope.WRITE | Scope.READ,
    "agent": Scope.AGENT,
    "district": Scope.DISTRICT,
}
OF_TOKENS = frozenset(WORDS) - {"agent"}
OF_CARS = Scope.CAR | Scope.FLEET


def scopes_of(words: str) -> Scope:
    """The scopes of a claim or line, words apart by blanks; what is not ours says nothing.

    >>> scopes_of("openid operator.write") == Scope.READ | Scope.WRITE
    True
    >>> scopes_of("agent") is Scope.NONE
    True
    """
    scopes = Scope.NONE
    for word in words.split():
        if word in OF_TOKENS:
            scopes |= WORDS[word]
    return scopes


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who has proved who they are, or nobody in particular on this machine."""

    name: str
    scopes: Scope
    vehicle_id: str = ""  # of the scope CAR
    vehicle_ids: frozenset[str] = frozenset()  # of the scope FLEET
    prefix: str = ""  # of the scope FLEET: all cars and drivers whose ids begin so
    user_id: str = ""  # the driver, as signed
    vip: bool = False  # signed; of the scope CAR only
    anonymous: bool = False  # asked from this machine, without proof
    token_id: str = ""
    until_s: float = float("inf")  # system time at which the proof ends

    def drives(self, vehicle_id: str) -> bool:
        """Whether this car is theirs.

        >>> Caller("a", Scope.CAR, "v1").drives("v1"), Caller("a", Scope.CAR, "v1").drives("v2")
        (True, False)
        >>> Caller("f", Scope.FLEET, prefix="acme.").drives("acme.7")
        True
        >>> Caller("o", Scope.READ, "v1").drives("v1")
        False
        >>> Caller("city", Scope.DISTRICT).drives("v1")  # which has asked the car itself
        True
        """
        if not self.scopes & (OF_CARS | Scope.DISTRICT) or not vehicle_id:
            return False
        if self.anonymous or self.scopes & Scope.DISTRICT:
            return True
        if self.scopes & Scope.CAR and vehicle_id == self.vehicle_id:
            return True
        if not self.scopes & Scope.FLEET:
            return False
        return vehicle_id in self.vehicle_ids or self._named_so(vehicle_id)

    def speaks_for(self, user_id: str) -> bool:
        """Whether this driver is theirs by what was signed.

        >>> Caller("a", Scope.CAR, "v1", user_id="anna").speaks_for("anna")
        True
        >>> Caller("a", Scope.CAR, "v1").speaks_for("")
        False
        """
        if self.anonymous or self.scopes & Scope.DISTRICT:
            return True
        return bool(user_id) and (user_id == self.user_id or self._named_so(user_id))

    def _named_so(self, name: str) -> bool:
        return bool(self.prefix and self.scopes & Scope.FLEET) and name.startswith(self.prefix)
