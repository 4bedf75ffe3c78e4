"""Over a real socket: a car is sent where users alike charge, though it never was there."""

from __future__ import annotations

from collections import Counter

from served_brain import asking, serve_brain, station

from coordinator.core.pile import User
from coordinator.jobs.tastes import TasteKeeper
from pilewise.v1 import charging_service_pb2 as wire


async def test_new_user_is_sent_where_users_alike_charge() -> None:
    """By preference, a driver without history follows those with the same car and habits."""
    stations = [station("A", 1.0), station("B", -1.5), station("C", 1.6)]
    async with serve_brain(stations) as served:
        habits = {"when": "night"}
        for number in range(30):
            name, model = f"u{number}", "Han" if number % 2 else "Seal"
            served.district.users[name] = User(name, vehicle_model=model, habits=habits)
            liked = "B" if number % 2 else "C"
            served.brain.world.visits[name] = Counter({liked: 5, "A": 1})
        served.district.users["new"] = User("new", vehicle_model="Han", habits=habits)
        keeper = TasteKeeper(served.district, served.brain.world.visits, served.brain.world)
        await keeper.refresh()

        sent = {}
        for user in ("new", "nobody"):
            request = asking(f"car-{user}", user_id=user)
            request.select_by = wire.SELECT_BY_PREFERENCE
            answer = await served.client.Recommend(request, timeout=10)
            sent[user] = answer.promise.choice.evse.evse_id

    assert sent == {"new": "B-1*1", "nobody": "A-1*1"}
