"""Over a real socket: a pile like the most chosen is promised, though many stand nearer."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from served_brain import asking, serve_brain, station

from coordinator.core.pile import Tariff, TariffElement
from coordinator.core.recommend.popular import stations_alike
from pilewise.v1 import charging_service_pb2 as wire


async def test_pile_like_the_most_chosen_is_promised() -> None:
    """The cheapest pile stands behind forty others; it is known for being like a popular one."""
    stations = [station(f"N{n}", 0.3 + 0.1 * n, 2) for n in range(40)]
    stations.append(station("Z", 4.6, tariff="CHEAP"))
    promised = []
    async with serve_brain(stations) as served:
        district = served.district
        cheap = Tariff("CHEAP", "CNY", (TariffElement("ENERGY", 0.2),))
        district.put_tariffs([cheap, *district.tariffs.values()])
        for number, known in enumerate((False, True)):
            if known:
                popular, other = district.row["N3-1*1"], district.row["Z-1*1"]
                uses = np.zeros(len(district))
                uses[popular] = 20.0
                district.alike = stations_alike(
                    district.station_lat_deg,
                    district.station_lon_deg,
                    district.station.astype(np.intp),
                    uses,
                    sparse.csr_matrix(
                        ([0.9], ([popular], [other])), shape=(len(district), len(district))
                    ),
                )
            request = asking(f"car-{number}")
            request.select_by = wire.SELECT_BY_PRICE
            answer = await served.client.Recommend(request, timeout=10)
            promised.append(answer.promise.choice.evse.station_id)

    assert promised[0].startswith("N")
    assert promised[1] == "Z"
