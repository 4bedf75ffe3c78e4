"""A small MQTT broker for the demo, so that nobody has to install one: `python -m city_sim.broker`.

It keeps nothing and is no replacement for mosquitto, which production and the tests use.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import sys


async def serve() -> None:
    """Runs the broker on a free loopback port until SIGTERM; prints its ready line."""
    from amqtt.broker import Broker

    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    settings = {
        "listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:0"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(settings)
    await broker.start()
    server = broker._servers["default"].instance
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"event": "ready", "mqtt": f"mqtt://127.0.0.1:{port}"}), flush=True)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await stop.wait()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(broker.shutdown(), 3.0)


if __name__ == "__main__":
    asyncio.run(serve())
