"""The ceiling of the sockets bench: bare gRPC with the coordinator's channel arguments.

`python -m bench.sockets_bare`. It answers every call with nothing, knows no caller and stores
nothing; what stands around the coordinator's methods is not here.
"""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import grpc

from coordinator.jobs.loop_watch import raise_descriptor_limit
from coordinator.rpc.limits import LIMITS, server_options
from pilewise.v1 import charging_service_pb2 as charging


async def serve() -> None:
    """Serves until the process is ended."""
    raise_descriptor_limit()
    answer, stations = charging.RecommendResponse(), charging.ListStationsResponse()

    async def recommend(request: charging.RecommendRequest, context: Any) -> Any:
        return answer

    async def list_stations(request: charging.ListStationsRequest, context: Any) -> Any:
        return stations

    handlers = {
        "Recommend": grpc.unary_unary_rpc_method_handler(
            recommend,
            charging.RecommendRequest.FromString,
            charging.RecommendResponse.SerializeToString,
        ),
        "ListStations": grpc.unary_unary_rpc_method_handler(
            list_stations,
            charging.ListStationsRequest.FromString,
            charging.ListStationsResponse.SerializeToString,
        ),
    }
    server = grpc.aio.server(options=server_options(random.Random(1), LIMITS))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("pilewise.v1.ChargingService", handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"event": "ready", "grpc": f"127.0.0.1:{port}"}), flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve())
