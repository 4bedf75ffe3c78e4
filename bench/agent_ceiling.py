"""The ceiling of the agent bench: bare pymodbus clients that read blocks and drop the words.

`python -m bench.agent_ceiling WORK.json`: one connection a pile, its blocks every period. All piles
are asked in the same instant, which is the cheapest way: one turn of the event loop serves many.
Spread evenly over the period the same reads cost twice as much. Prints a line once all are
connected, and the polls done so far for each line on its stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

polls = 0


async def poll(client: AsyncModbusTcpClient, pile: dict[str, Any], due_s: float) -> None:
    """Reads all blocks of one pile each period."""
    global polls
    loop = asyncio.get_running_loop()
    reads = [
        (client.read_holding_registers if function == 3 else client.read_input_registers, first, n)
        for function, first, n in pile["blocks"]
    ]
    while True:
        await asyncio.sleep(due_s - loop.time())
        due_s += pile["period_s"]
        try:
            for read, first, count in reads:
                reply = await read(first, count=count, device_id=pile["device_id"])
                assert len(reply.registers) == count
        except ModbusException as error:
            # A busy machine may be slow to answer: that poll does not count.
            print(error, file=sys.stderr, flush=True)
        else:
            polls += 1


async def read_all(piles: list[dict[str, Any]]) -> None:
    """Reads all piles until the process is ended."""
    clients = [
        AsyncModbusTcpClient(
            pile["host"], port=pile["port"], timeout=1, retries=0, reconnect_delay=0
        )
        for pile in piles
    ]
    for client in clients:
        assert await client.connect()
    threading.Thread(target=_answer, daemon=True).start()
    print("ready", flush=True)
    begin_s = asyncio.get_running_loop().time()
    pairs = zip(clients, piles, strict=True)
    await asyncio.gather(*(poll(client, pile, begin_s) for client, pile in pairs))


def _answer() -> None:
    for _ in sys.stdin:
        print(polls, flush=True)


if __name__ == "__main__":
    asyncio.run(read_all(json.loads(Path(sys.argv[1]).read_text())))
