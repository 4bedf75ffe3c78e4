"""The ceiling of the recommend bench: a bare grpc.aio unary echo with messages of the same size.

`python -m bench.recommend_ceiling RESPONSE_BYTES`. It knows, decides and stores nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import grpc


async def serve(size: int) -> None:
    """Serves until the process is ended."""
    sys.setswitchinterval(0.0005)
    answer = bytes(size)

    async def echo(request: bytes, context: Any) -> bytes:
        return answer

    handlers = {
        name: grpc.unary_unary_rpc_method_handler(echo) for name in ("Recommend", "Release")
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
    asyncio.run(serve(int(sys.argv[1])))
