"""A fleet of the recommend bench: many cars in one process, told what to do line by line.

`python -m bench.recommend_client ADDRESS FIRST_CAR CARS SEED CHANNELS STATIONS [KEY_FILE]` reads
commands from stdin and answers each with one line of JSON: `recommend ROUND CONCURRENCY`, `paced
ROUND RATE`, `release CONCURRENCY`. With a provider's key every car shows a token. Requests are made
before, and answers read after, the timed phase.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import grpc

from bench.recommend_city import City, request
from bench.recommend_tokens import tokens
from pilewise.v1 import charging_service_pb2 as charging

SERVICE = "/pilewise.v1.ChargingService"
TIMEOUT_S = 30.0
RETRIES = 60
# Codes on which a car asks again, and after how many seconds.
AGAIN = {grpc.StatusCode.UNAVAILABLE: 0.0, grpc.StatusCode.RESOURCE_EXHAUSTED: 1.0}


class Fleet:
    """Cars that ask and give back."""

    def __init__(
        self, channels: list[grpc.aio.Channel], first: int, count: int, seed: int, city: City
    ) -> None:
        self._city = city
        self._recommend = [channel.unary_unary(f"{SERVICE}/Recommend") for channel in channels]
        self._release = [channel.unary_unary(f"{SERVICE}/Release") for channel in channels]
        self._cars = range(first, first + count)
        self._rng = random.Random(seed * 10_000 + first)
        self._held: list[tuple[int, str]] = []
        self.proofs: list[Any] = [None] * count

    async def recommend(self, round_number: int, concurrency: int, rate: float) -> dict[str, Any]:
        """Every car asks once; `rate` 0 means as fast as answers come."""
        asks = [request(car, round_number, self._rng, self._city) for car in self._cars]
        answers: list[bytes] = [b""] * len(asks)
        times = [0.0] * len(asks)
        begin = time.perf_counter()

        async def ask(number: int) -> None:
            sent = time.perf_counter()
            call = self._recommend[number % len(self._recommend)]
            answers[number] = await _asked(call, asks[number], self.proofs[number])
            times[number] = (time.perf_counter() - sent) * 1e3

        if rate:
            tasks = []
            for number in range(len(asks)):
                ahead = begin + number / rate - time.perf_counter()
                if ahead > 0:
                    await asyncio.sleep(ahead)
                tasks.append(asyncio.create_task(ask(number), name="bench:ask"))
            await asyncio.gather(*tasks)
        else:
            await _spread(ask, len(asks), concurrency)
        seconds = time.perf_counter() - begin
        held, degraded = self._read(answers)
        return {
            "count": len(asks), "seconds": seconds, "held": held, "degraded": degraded,
            "sample": sorted(answers, key=len)[len(answers) // 2].hex(),
            "request_bytes": sum(map(len, asks)), "response_bytes": sum(map(len, answers)),
            "ms": [round(ms, 3) for ms in times],
        }  # fmt: skip

    def _read(self, answers: list[bytes]) -> tuple[int, int]:
        """Counts holds and degraded answers."""
        held = degraded = 0
        self._held = []
        for number, answer in enumerate(answers):
            promise = charging.RecommendResponse.FromString(answer).promise
            degraded += promise.degraded
            if promise.choice.hold.claim_id:
                held += 1
                self._held.append((number, promise.recommendation_id))
        return held, degraded

    async def release(self, concurrency: int) -> dict[str, Any]:
        """Every car gives back what it holds."""
        gives = [
            charging.ReleaseRequest(recommendation_id=name).SerializeToString()
            for _, name in self._held
        ]

        async def give(number: int) -> None:
            proof = self.proofs[self._held[number][0]]
            call = self._release[number % len(self._release)]
            await _asked(call, gives[number], proof)

        begin = time.perf_counter()
        await _spread(give, len(gives), concurrency)
        return {"count": len(gives), "seconds": time.perf_counter() - begin}


async def _asked(call: Any, message: bytes, proof: Any) -> bytes:
    """The answer. Asked again where the server was just closing an idle connection, or refuses
    because it is asked too much: then as cars do, a second later."""
    for _ in range(RETRIES):
        try:
            answer: bytes = await call(message, timeout=TIMEOUT_S, metadata=proof)
        except grpc.aio.AioRpcError as error:
            if error.code() not in AGAIN:
                raise
            await asyncio.sleep(AGAIN[error.code()])
            continue
        return answer
    raise TimeoutError(f"refused {RETRIES} times")


async def _spread(work: Any, count: int, concurrency: int) -> None:
    """Runs work(0) to work(count - 1), so many at once."""
    numbers = iter(range(count))

    async def run() -> None:
        for number in numbers:
            await work(number)

    await asyncio.gather(*(run() for _ in range(concurrency)))


async def main(
    address: str,
    first: int,
    count: int,
    seed: int,
    channel_count: int,
    station_count: int,
    key_file: str = "",
) -> None:
    """Obeys until stdin ends."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(channel_count)]
    fleet = Fleet(channels, first, count, seed, City(station_count))
    if key_file:
        fleet.proofs[:] = tokens(Path(key_file), range(first, first + count))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        verb, *arguments = line.split()
        if verb == "release":
            answer = await fleet.release(int(arguments[0]))
        else:
            rate = float(arguments[1]) if verb == "paced" else 0.0
            concurrency = 1 if verb == "paced" else int(arguments[1])
            answer = await fleet.recommend(int(arguments[0]), concurrency, rate)
        print(json.dumps(answer), flush=True)
    for channel in channels:
        await channel.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:7]), *sys.argv[7:8]))
