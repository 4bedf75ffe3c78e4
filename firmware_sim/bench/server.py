"""The gRPC server of the bench: BenchService, health and reflection on one loopback port."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from firmware_sim.bench.guard import PATIENCE_S, Guard
from firmware_sim.bench.service import Bench
from firmware_sim.errors import BindError
from pilewise.v1 import bench_service_pb2, bench_service_pb2_grpc

_GRACE_S = 1.0
_SERVICE = bench_service_pb2.DESCRIPTOR.services_by_name["BenchService"].full_name


class BenchServer:
    """Serves a Bench; port 0 lets the system choose.

    Whoever watches and reads nothing for `patience_s` real seconds is cut off.
    """

    def __init__(self, bench: Bench, address: str, *, patience_s: float = PATIENCE_S) -> None:
        self._address = address
        self._server = grpc.aio.server(interceptors=[Guard(patience_s)])
        bench_service_pb2_grpc.add_BenchServiceServicer_to_server(bench, self._server)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self) -> str:
        """Listens; gives host:port as bound. Raises BindError."""
        host = self._address.rpartition(":")[0]
        try:
            port = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise BindError("BenchService", self._address, str(error)) from error
        if port == 0:
            raise BindError("BenchService", self._address, "the address is taken or not ours")
        await self._server.start()
        for name in ("", _SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return f"{host}:{port}"

    async def close(self) -> None:
        """Stops serving; calls under way get a second to end."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(_GRACE_S)
