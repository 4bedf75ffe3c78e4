"""An example car: asks for a pile, follows the promise while it drives, plugs in.

    python docs/examples/car.py 127.0.0.1:50051 --latitude 22.55 --longitude 114.05 --soc 22

The drive is made up: each step goes a part of the way to where the promise points now. Everything
else is what a real car does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys

import grpc

from pilewise import VehicleClient
from pilewise.guidance import Guidance
from pilewise.v1 import charging_service_pb2 as pb

GBT_DC = 19  # OCPI ConnectorType


def say(text: str) -> None:
    """Prints a line at once."""
    print(text, flush=True)


def tell(event: pb.GuideResponse) -> None:
    """Shows the driver what has changed, and why."""
    kind = event.WhichOneof("message")
    if kind == "promise":
        promise = event.promise
        hold = pb.HoldKind.Name(promise.choice.hold.kind).removeprefix("HOLD_KIND_")
        where = promise.choice.evse.evse_id if promise.stage == pb.STAGE_PILE else promise.area.name
        why = f"{promise.change.code}: {promise.change.text}" if promise.HasField("change") else ""
        what = "is offered" if promise.HasField("accept_before") else "drive to"
        say(f"revision {promise.revision}: {what} {where}, hold {hold} {why}".rstrip())
        if promise.choice.hold.queue_position:
            wait = promise.choice.wait_s
            ahead = promise.choice.hold.queue_position
            say(f"  {ahead} before you: {wait.p50 / 60:.0f} to {wait.p90 / 60:.0f} min of waiting")
    elif kind == "reminder":
        say(f"reminder: {event.reminder.text}")
    elif kind == "closed":
        say(f"end: {event.closed.code}")


async def listen(guidance: Guidance) -> None:
    """Follows the promise to its end. A revision that asks for consent is accepted at once."""
    async for event in guidance:
        tell(event)
        if event.WhichOneof("message") == "promise" and event.promise.HasField("accept_before"):
            guidance.decide(event.promise.revision, True)


async def drive(guidance: Guidance, here: list[float], soc_pct: float, step_s: float) -> None:
    """Goes a fifth of the way at each step, to wherever the newest revision points."""
    while guidance.closed is None:
        goal = guidance.promise.area.navigate_to
        here[0] += (goal.latitude_deg - here[0]) / 5
        here[1] += (goal.longitude_deg - here[1]) / 5
        soc_pct -= 0.1
        guidance.progress(here[0], here[1], soc_pct)
        if guidance.promise.stage == pb.STAGE_PILE:
            break
        await asyncio.sleep(step_s or guidance.report_every_s)
    say("arrived")
    guidance.arrived()


async def run(options: argparse.Namespace) -> int:
    """One whole trip; the exit code."""
    profile = pb.VehicleProfile(battery_kwh=60, connectors=[options.connector])
    async with VehicleClient(options.coordinator, options.vehicle, profile) as car:
        request = car.request(options.soc, options.latitude, options.longitude)
        request.id_token = options.token  # with one, the pile itself is reserved
        answer = await car.recommend(request)
        if not answer.HasField("promise"):
            say(f"no pile: {answer.empty_reason}: {answer.empty_text}")
            return 1
        say(answer.promise.choice.summary)
        guidance = car.guide(answer.promise)
        here = [options.latitude, options.longitude]
        driving = asyncio.create_task(drive(guidance, here, options.soc, options.step))
        try:
            async with asyncio.timeout(options.limit):
                await listen(guidance)  # ends when the session has begun, or the promise is over
        except TimeoutError:
            await car.release(answer.promise.recommendation_id, "the example gave up")
        finally:
            driving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await driving
        charged = guidance.closed is not None and guidance.closed.code == "ARRIVED"
        outcome = pb.OUTCOME_KIND_CHARGED if charged else pb.OUTCOME_KIND_ABANDONED
        await car.report_outcome(answer.promise.recommendation_id, outcome)
        return 0 if charged else 1


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="an example car")
    parser.add_argument("coordinator", help="host:port")
    parser.add_argument("--vehicle", default="EXAMPLE-1", help="pseudonym of the car")
    parser.add_argument("--latitude", type=float, required=True)
    parser.add_argument("--longitude", type=float, required=True)
    parser.add_argument("--soc", type=float, default=30.0, help="state of charge, %%")
    parser.add_argument("--connector", type=int, default=GBT_DC, help="OCPI ConnectorType")
    parser.add_argument("--token", default="", help="driver's token, for a hold by the pile itself")
    parser.add_argument("--step", type=float, default=0.0, help="seconds; 0: as it is asked for")
    parser.add_argument("--limit", type=float, default=3600.0, help="give up after seconds")
    try:
        return asyncio.run(run(parser.parse_args()))
    except grpc.aio.AioRpcError as error:
        print(f"error: {error.code().name}: {error.details()}", file=sys.stderr)
        return 4


if __name__ == "__main__":
    sys.exit(main())
