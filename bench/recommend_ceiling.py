"""The ceiling of the recommend bench: a bare grpc.aio unary echo with the same messages.

`python -m bench.recommend_ceiling RESPONSE_FILE`. It parses requests and serialises one response
again and again; it knows, decides and stores nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import grpc

from pilewise.v1 import charging_service_pb2 as charging


async def serve(response: bytes) -> None:
    """Serves until the process is ended."""
    sys.setswitchinterval(0.0005)
    answer = charging.RecommendResponse.FromString(response)
    released = charging.ReleaseResponse()

    async def recommend(request: charging.RecommendRequest, context: Any) -> Any:
        return answer

    async def release(request: charging.ReleaseRequest, context: Any) -> Any:
        return released

    handlers = {
        "Recommend": grpc.unary_unary_rpc_method_handler(
            recommend,
            charging.RecommendRequest.FromString,
            charging.RecommendResponse.SerializeToString,
        ),
        "Release": grpc.unary_unary_rpc_method_handler(
            release,
            charging.ReleaseRequest.FromString,
            charging.ReleaseResponse.SerializeToString,
        ),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("pilewise.v1.ChargingService", handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"grpc": f"127.0.0.1:{port}"}), flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]).read_bytes()))
