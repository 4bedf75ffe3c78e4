"""Cars prove themselves to the city, and the city to its districts; a person is erased in all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from identity_provider import AUDIENCE, ISSUER, IdentityProvider, bearing
from served_brain import asking, station
from small_city import SmallCity, open_city
from small_town import CALL_S

from pilewise.v1 import charging_service_pb2 as wire
from pilewise.v1 import district_service_pb2 as district
from pilewise.v1 import district_service_pb2_grpc as district_rpc
from pilewise.v1 import operator_service_pb2 as op
from pilewise.v1 import operator_service_pb2_grpc as operator_rpc
from pilewise.v1 import types_pb2 as nouns

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CITY_TOKEN = "the-token-of-the-city-itself"
STATIONS = {"south": [station("A", 1.0)], "north": [station("B", 3.0)]}


@dataclass
class Proved:
    """A city and districts that all ask who calls."""

    city: SmallCity
    provider: IdentityProvider
    token_file: Path

    def car(self, car: str, **claims: Any) -> Any:
        """The metadata of a car's own token."""
        return bearing(self.provider.token("car", vid=car, **claims))

    async def erase(self, user_id: str) -> int:
        """Rows erased in the whole city."""
        stub = operator_rpc.OperatorServiceStub(self.city.channel)
        request = op.OperatorServiceEraseUserRequest(user_id=user_id)
        metadata = bearing(self.provider.token("admin"))
        return (await stub.EraseUser(request, timeout=150, metadata=metadata)).erased_count


@pytest.fixture
async def proved(tmp_path: Path) -> AsyncIterator[Proved]:
    """Districts take the city's token, and from this machine operators and agents without one."""
    provider = IdentityProvider(tmp_path)
    tokens, own = tmp_path / "tokens", tmp_path / "city.token"
    tokens.write_text(f"city {CITY_TOKEN} district\n")
    own.write_text(f"{CITY_TOKEN}\n")
    for file in (tokens, own):
        file.chmod(0o600)
    open_to = '["operator.read", "operator.write", "agent"]'
    below = f'[identity]\ntoken_file = "{tokens}"\nanonymous = {open_to}\n'
    more = (
        f'[identity]\njwks_file = "{provider.jwks}"\naudience = "{AUDIENCE}"\n'
        f'issuer = "{ISSUER}"\nanonymous = ["operator.read"]\n'
    )
    async with open_city(
        tmp_path, STATIONS, more=more, below=below, token_file=str(own), find_s=20.0, call_s=20.0
    ) as city:
        yield Proved(city, provider, own)


async def code_of(call: Any) -> grpc.StatusCode:
    """What a call came to."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_a_car_reaches_its_own_through_the_city_only(proved: Proved) -> None:
    """Without a token nothing; with it its own promise, never another's; districts know the city,
    not the car."""
    cars = proved.city.cars
    mine = proved.car("car-1", vip=True, uid="anna")

    nobody = await code_of(cars.Recommend(asking("car-1"), timeout=CALL_S))
    other = await code_of(
        cars.Recommend(asking("car-2"), timeout=CALL_S, metadata=proved.car("car-1"))
    )
    promise = (await cars.Recommend(asking("car-1"), timeout=CALL_S, metadata=mine)).promise
    confirm = wire.ConfirmRequest(recommendation_id=promise.recommendation_id)
    stolen = await code_of(cars.Confirm(confirm, timeout=CALL_S, metadata=proved.car("car-2")))
    firm = await code_of(cars.Confirm(confirm, timeout=CALL_S, metadata=mine))
    direct = await code_of(
        proved.city.towns["south"].cars.Confirm(confirm, timeout=CALL_S, metadata=mine)
    )

    assert nobody is grpc.StatusCode.PERMISSION_DENIED  # from this machine one may look, no more
    assert other is grpc.StatusCode.PERMISSION_DENIED
    assert stolen is grpc.StatusCode.NOT_FOUND
    assert firm is grpc.StatusCode.OK
    assert direct is grpc.StatusCode.UNAUTHENTICATED
    # What the token says of the car is passed on in the city's word.
    assert (promise.level, promise.level_reason) == (nouns.WARNING_LEVEL_HIGH, "VIP")


async def test_a_city_with_a_wrong_token_says_that_it_is_not_let_in(proved: Proved) -> None:
    """Cars are told to come back, operators why; the right token counts from the next call on."""
    mine = proved.car("car-1")
    proved.token_file.write_text("some-other-token-of-somebody\n")

    refused = await code_of(
        proved.city.cars.Recommend(asking("car-1"), timeout=CALL_S, metadata=mine)
    )
    failed = {n: one.failed_count for n, one in (await proved.city.districts()).items()}
    proved.token_file.write_text(f"{CITY_TOKEN}\n")
    answer = await proved.city.cars.Recommend(asking("car-1"), timeout=CALL_S, metadata=mine)

    assert refused is grpc.StatusCode.UNAVAILABLE
    assert failed == {"south": 1, "north": 1}
    assert answer.promise.choice.evse.evse_id == "A-1*1"


async def test_a_person_is_erased_in_every_district(proved: Proved) -> None:
    """Nothing is held any more and no district knows the name; one that is away is named, and the
    others have erased all the same."""
    city, cars = proved.city, proved.city.cars
    mine = proved.car("car-1", uid="anna")
    first = (await cars.Recommend(asking("car-1"), timeout=CALL_S, metadata=mine)).promise

    erased = await proved.erase("anna")
    known = district.GetPromiseRequest(recommendation_id=first.recommendation_id)
    async with grpc.aio.insecure_channel(city.towns["south"].process.address) as channel:
        asked = district_rpc.DistrictServiceStub(channel).GetPromise(
            known, timeout=CALL_S, metadata=bearing(CITY_TOKEN)
        )
        left = await code_of(asked)
    await cars.Recommend(asking("car-1", 2), timeout=CALL_S, metadata=mine)
    await city.towns["north"].process.kill()
    await city.see(north=False)
    with pytest.raises(grpc.aio.AioRpcError) as partly:
        await proved.erase("anna")

    assert erased > 0
    assert left is grpc.StatusCode.NOT_FOUND
    assert partly.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "north" in str(partly.value.details())
    assert await city.held() == {"south": []}
