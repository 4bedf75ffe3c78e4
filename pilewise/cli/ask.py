"""`pilewise ask`: be a car for a moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pilewise.cli import dial
from pilewise.cli.output import Exit, detail, emit, fail, say
from pilewise.cli.waiting import waiting

if TYPE_CHECKING:
    import grpc

    from pilewise.client import VehicleClient
    from pilewise.v1 import charging_service_pb2 as pb
    from pilewise.v1 import operator_service_pb2 as op

app = typer.Typer(help="Ask a coordinator as a car would.", no_args_is_help=True)
Target = Annotated[str, typer.Option(help="The coordinator, host:port.", envvar="PILEWISE_TARGET")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def place(text: str) -> tuple[float, float]:
    """The latitude and longitude of `LAT,LON`, degrees; raises `typer.BadParameter`."""
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not LAT,LON, e.g. 22.54,114.05") from None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise typer.BadParameter(f"{text!r}: latitude comes first, -90 to 90, then longitude")
    return latitude, longitude


@app.command()
def recommend(
    at: Annotated[str, typer.Option(help="Where the car is, LAT,LON.")],
    soc: Annotated[float, typer.Option(help="State of charge, 0-100.")] = 25.0,
    battery: Annotated[float, typer.Option(help="Usable capacity, kWh.")] = 60.0,
    to: Annotated[str, typer.Option(help="Destination, LAT,LON.")] = "",
    vehicle: Annotated[str, typer.Option(help="Pseudonym of the car.")] = "EV-ask",
    user: Annotated[str, typer.Option(help="Pseudonym of the driver.")] = "",
    connector: Annotated[list[str] | None, typer.Option(help="Plug that fits; repeat.")] = None,
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    confirm: Annotated[bool, typer.Option(help="Make the 30 s offer firm.")] = False,
    target: Target = "127.0.0.1:50051",
    json: AsJson = False,
) -> None:
    """Asks for a pile; the answer is held for 30 s, or until arrival with --confirm."""
    request = _request(at, soc, battery, to, vehicle, user, connector or [], language)
    answer = asyncio.run(call(_recommend(target, request, confirm), target))
    if json:
        from google.protobuf.json_format import MessageToDict

        emit(MessageToDict(answer, preserving_proto_field_name=True))
    else:
        show(answer)
    raise typer.Exit(int(Exit.OK if answer.HasField("promise") else Exit.PARTIAL))


@app.command()
def guide(
    recommendation_id: Annotated[str, typer.Argument(help="From the answer of ask recommend.")],
    target: Target = "127.0.0.1:50051",
    for_s: Annotated[float, typer.Option("--for", help="Seconds to follow.")] = 60.0,
    json: AsJson = False,
) -> None:
    """Follows a promise and prints each revision; opening it makes the hold firm."""
    revisions = asyncio.run(call(_guide(target, recommendation_id, for_s, quiet=json), target))
    if json:
        emit({"recommendation_id": recommendation_id, "revisions": revisions})


@app.command()
def explain(
    recommendation_id: Annotated[str, typer.Argument(help="From the answer of ask recommend.")],
    language: Annotated[str, typer.Option(help="en or zh; empty means as it was told.")] = "",
    target: Target = "127.0.0.1:50051",
    json: AsJson = False,
) -> None:
    """Tells an answer again from what was stored with it: reasons, weights, costs, data age."""
    answer = asyncio.run(call(_explained(target, recommendation_id, language), target))
    if json:
        from google.protobuf.json_format import MessageToDict

        emit(MessageToDict(answer, preserving_proto_field_name=True))
        return
    account(answer)


def account(answer: op.ExplainResponse) -> None:
    """Prints an explanation for people."""
    promise = answer.retold if answer.HasField("retold") else answer.promise
    choice = promise.choice
    say(choice.summary, style="bold")
    if choice.scores.text:
        say(f"  {choice.scores.text}")
    for reason in choice.reasons:
        sign = "+" if reason.sign > 0 else "-"
        say(f"  {sign} {reason.weight:4.0%}  {reason.code}: {reason.text}")
    if choice.HasField("status_updated_at"):
        say(f"  status {choice.status_age_s:.0f} s old when told ({choice.data_quality})")
    for other in promise.alternatives:
        say(f"  {other.rank}. {other.evse.evse_id}  {other.difference.text}")
    for passed in promise.why_not:
        say(f"  not {passed.evse.evse_id or passed.evse.station_id}: {passed.text}")
    for name in promise.relaxed_filters:
        say(f"  relaxed: {name}")
    for candidate in answer.candidates:
        terms = ", ".join(f"{n} {s:.0f}" for n, s in candidate.cost_terms_s.items() if s >= 0.5)
        found = candidate.recommendation
        say(f"  {found.rank}. {found.evse.evse_id} ({candidate.provenance}), seconds: {terms}")
    for decision in answer.decisions:
        say(f"  {decided(decision)}")
    if answer.HasField("same_as_told") and not answer.same_as_told:
        say("  told again from the stored numbers it reads otherwise than the car was told")


def decided(decision: op.Decision) -> str:
    """One line of the account of a promise."""
    from pilewise.v1 import types_pb2 as nouns

    when = decision.decided_at.ToDatetime().strftime("%H:%M:%S")
    level = nouns.WarningLevel.Name(decision.level).removeprefix("WARNING_LEVEL_").lower()
    moved = decision.from_evse_id and decision.from_evse_id != decision.to_evse_id
    where = f"{decision.from_evse_id} -> {decision.to_evse_id}" if moved else decision.to_evse_id
    text = f"{when} r{decision.revision} {decision.code} {where or 'no place'} ({level})"
    if decision.second_evse_id:
        text += f", second {decision.second_evse_id} by {decision.second_more_s:.0f} s"
    if decision.other_vehicle_id:
        text += f", other car {decision.other_vehicle_id}"
    return text


def show(answer: pb.RecommendResponse) -> None:
    """Prints an answer for people."""
    if not answer.HasField("promise"):
        say(f"no pile: {answer.empty_text} ({answer.empty_reason})", style="yellow")
        return
    promise = answer.promise
    say(promise.choice.summary, style="bold")
    for reason in promise.choice.reasons:
        say(f"  {'+' if reason.sign > 0 else '-'} {reason.text}")
    for other in promise.alternatives:
        say(f"  {other.rank}. {other.evse.evse_id}  {other.difference.text}")
    for passed in promise.why_not:
        say(f"  not {passed.evse.evse_id}: {passed.text}")
    say(f"  {promise.recommendation_id}", style="dim")


def _request(
    at: str,
    soc: float,
    battery: float,
    to: str,
    vehicle: str,
    user: str,
    connectors: list[str],
    language: str,
) -> pb.RecommendRequest:
    from pilewise.client import new_id
    from pilewise.v1 import charging_service_pb2 as pb
    from pilewise.v1 import types_pb2 as nouns

    standards = []
    for name in connectors:
        try:
            standards.append(
                nouns.ConnectorStandard.Value(
                    f"CONNECTOR_STANDARD_{name.upper().replace('-', '_')}"
                )
            )
        except ValueError:
            fail(
                "CFG-014",
                f"unknown connector standard {name!r}",
                note="OCPI names are accepted, e.g. GBT_DC, IEC_62196_T2_COMBO",
                exit_code=Exit.USAGE,
            )
    latitude, longitude = place(at)
    request = pb.RecommendRequest(
        request_id=new_id(),
        vehicle_id=vehicle,
        user_id=user,
        vehicle=pb.VehicleProfile(battery_kwh=battery, connectors=standards),
        soc_pct=soc,
        position=nouns.Position(latitude_deg=latitude, longitude_deg=longitude),
        language=language,
    )
    if to:
        latitude, longitude = place(to)
        request.destination.latitude_deg = latitude
        request.destination.longitude_deg = longitude
    return request


async def _explained(target: str, recommendation_id: str, language: str) -> op.ExplainResponse:

    from pilewise.v1 import operator_service_pb2 as op
    from pilewise.v1 import operator_service_pb2_grpc as rpc

    request = op.ExplainRequest(recommendation_id=recommendation_id, language=language)
    async with dial.channel(target) as channel:
        answer: op.ExplainResponse = await rpc.OperatorServiceStub(channel).Explain(
            request, timeout=10
        )
        return answer


async def _recommend(
    target: str, request: pb.RecommendRequest, confirm: bool
) -> pb.RecommendResponse:
    async with _client(target, request.vehicle_id, request.vehicle) as car:
        answer = await car.recommend(request)
        if confirm and answer.HasField("promise"):
            answer.promise.CopyFrom(await car.confirm(answer.promise.recommendation_id))
        return answer


def _client(target: str, vehicle_id: str, vehicle: pb.VehicleProfile) -> VehicleClient:
    from pilewise.client import VehicleClient

    return VehicleClient(target, vehicle_id, vehicle, token=dial.token(), ca_file=dial.ca_file())


async def _guide(target: str, recommendation_id: str, for_s: float, *, quiet: bool) -> int:
    from pilewise.v1 import charging_service_pb2 as pb

    # A car keeps trying; whoever asks by hand wants to hear that nobody answers.
    await _known(target, recommendation_id)
    revisions = 0
    async with _client(target, "EV-ask", pb.VehicleProfile()) as car:
        try:
            async with asyncio.timeout(for_s):
                async for event in car.guide(pb.Promise(recommendation_id=recommendation_id)):
                    if event.HasField("promise"):
                        revisions += 1
                        if not quiet:
                            show(pb.RecommendResponse(promise=event.promise))
                    elif event.HasField("closed") and not quiet:
                        say(f"ended: {event.closed.text} ({event.closed.code})")
        except TimeoutError:
            pass
    return revisions


async def _known(target: str, recommendation_id: str) -> None:

    from pilewise.v1 import charging_service_pb2 as pb
    from pilewise.v1 import charging_service_pb2_grpc as rpc

    async with dial.channel(target) as channel:
        request = pb.GetRecommendationRequest(recommendation_id=recommendation_id)
        await rpc.ChargingServiceStub(channel).GetRecommendation(request, timeout=10)


async def call(work: Any, target: str) -> Any:
    """The result of an RPC, or the command's end with an error that says what to do."""
    import grpc

    detail(f"asking {target}")
    try:
        with waiting(f"waiting for {target}"):
            return await work
    except grpc.aio.AioRpcError as error:
        _explain(error, target)


def _explain(error: grpc.aio.AioRpcError, target: str) -> NoReturn:
    import grpc

    if error.code() is grpc.StatusCode.UNAVAILABLE:
        fail(
            "NET-001",
            f"no coordinator answers at {target}",
            hint="start one (pilewise coordinator run, or pilewise demo) or pass --target",
            exit_code=Exit.UNREACHABLE,
        )
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        fail(
            "NET-002",
            f"the coordinator at {target} did not answer in time",
            hint="is it overloaded, or is something else at this address? its log tells",
            exit_code=Exit.UNREACHABLE,
        )
    known = error.code() is not grpc.StatusCode.UNAUTHENTICATED
    fail(
        "RPC-001",
        f"the coordinator refused: {error.details()}",
        note=f"gRPC status {error.code().name}",
        hint="" if known else "show a token with --token-file FILE",
        exit_code=Exit.FAILED,
    )
