"""The door of Modbus devices: answers to what the agent asks, over TCP, in both framings.

An input is a recipe, because a right answer depends on the question: its bytes seed the random
numbers by which the next right answer is spoiled. It is over when the agent asks again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

from bench.fuzz.evil_slave import Slave
from bench.fuzz.input import Input, Kind, Outcome
from bench.fuzz.kinds import kinds
from bench.fuzz.wire import flip_bits, insert_noise, noise, repeat_part, set_byte, truncate

# The longest pause after failures in a row is 60 s; good answers in between keep it far below.
ASKED_AGAIN_S = 90.0
FRAMINGS = ("tcp", "rtu")


class ModbusDoor:
    """All slaves; each takes one input at a time."""

    name = "modbus"

    def __init__(self, slaves: list[Slave]) -> None:
        self.lanes = len(slaves)
        self._slaves: asyncio.Queue[Slave] = asyncio.Queue()
        for slave in slaves:
            self._slaves.put_nowait(slave)

    async def open(self) -> None:
        """The slaves listen as long as the agent runs."""

    async def close(self) -> None:
        """Nothing is held."""

    def inputs(self, rng: random.Random, count: int) -> Iterator[Input]:
        """So many recipes."""
        for kind in kinds(rng, count):
            yield Input(self.name, "answer", kind, (rng.randbytes(8),))

    async def send(self, item: Input) -> Outcome:
        """Spoils the next answer, and waits until the agent has got over it."""
        slave = await self._slaves.get()
        rng = random.Random(item.frames[0])
        try:
            async with asyncio.timeout(ASKED_AGAIN_S):
                done = asyncio.Event()

                def spoil(answer: bytes) -> list[bytes]:
                    done.set()
                    slave.asked.clear()
                    slave.hung_up.clear()
                    return spoiled(rng, item.kind, answer)

                slave.extreme = item.kind == "hostile"
                slave.spoil = spoil
                await done.wait()
                await slave.asked.wait()
                return Outcome("hung up, asked again" if slave.hung_up.is_set() else "asked again")
        except TimeoutError:
            return Outcome("not asked again", "hang")
        finally:
            slave.spoil = None
            slave.extreme = False
            self._slaves.put_nowait(slave)


def spoiled(rng: random.Random, kind: Kind, answer: bytes) -> list[bytes]:
    """What is sent instead of a right answer, in pieces; nothing means that the device hangs up."""
    if kind == "random":
        return [noise(rng)]
    if kind != "mutated":
        return [answer]
    draw = rng.randrange(12)
    if draw == 0:
        return []
    if draw == 1:
        return [answer, answer]
    if draw == 2:
        half = rng.randrange(1, len(answer))
        return [answer[:half], answer[half:]]
    if draw == 3:  # an exception of any code
        place = 7 if len(answer) > 8 else 1
        return [answer[:place] + bytes((answer[place] | 0x80, rng.randrange(256)))]
    if draw == 4:  # any length in the header or the byte count
        place = rng.choice((2, 4, 5, 8)) % len(answer)
        return [answer[:place] + bytes((rng.randrange(256),)) + answer[place + 1 :]]
    change = rng.choice((flip_bits, set_byte, truncate, repeat_part, insert_noise))
    return [change(rng, answer)]
