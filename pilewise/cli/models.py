"""`pilewise coordinator models`: which models serve, another bundle instead, signatures."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pilewise.cli import dial
from pilewise.cli.ask import AsJson, Target, call
from pilewise.cli.launch import require
from pilewise.cli.output import Exit, emit, fail, say
from pilewise.cli.waiting import waiting

if TYPE_CHECKING:
    from pilewise.v1 import operator_service_pb2 as op

app = typer.Typer(help="Bundles of models: which serve, and who vouches.", no_args_is_help=True)
# A trial in a child process is part of it.
CALL_S = 90.0
FOLDER = "Folder of a bundle."
Keys = list[Path] | None


@app.command("list")
def list_(target: Target = "127.0.0.1:50051", json: AsJson = False) -> None:
    """Lists what serves, what served before, and what scores beside."""
    from pilewise.v1 import operator_service_pb2 as op

    answer = _ask(target, "ListModels", op.ListModelsRequest())
    if json:
        emit({**_served(answer), "degraded": answer.degraded, "problems": list(answer.problems)})
        return
    for bundle in answer.bundles:
        say(_line(bundle), style="yellow" if bundle.expired else None)
    for model in answer.models:
        state = "shadow" if model.shadow else "resting, too slow" if model.resting else "serves"
        failed = f", {model.failed_run_count} runs failed" if model.failed_run_count else ""
        say(f"  {model.model.name:9} {model.model.version}  {state}{failed}")
    for problem in answer.problems:
        say(problem, style="yellow")
    if answer.degraded:
        say("rules answer for a model that is missing", style="yellow")


@app.command()
def activate(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of a bundle, on the coordinator's host.")
    ] = None,
    shipped: Annotated[bool, typer.Option(help="The bundle that the software came with.")] = False,
    shadow: Annotated[bool, typer.Option(help="Only score beside what serves.")] = False,
    end_shadow: Annotated[bool, typer.Option(help="Score with nothing beside.")] = False,
    target: Target = "127.0.0.1:50051",
    json: AsJson = False,
) -> None:
    """Serves another bundle, once it has been checked and tried; no request is dropped."""
    from pilewise.v1 import operator_service_pb2 as op

    if sum((folder is not None, shipped, end_shadow)) != 1 or (end_shadow and shadow):
        hint = "activate FOLDER [--shadow], activate --shipped, or activate --end-shadow"
        fail("CMD-104", "name one bundle", hint=hint, exit_code=Exit.USAGE)
    request = op.ActivateModelRequest(
        bundle_path=str(folder.absolute()) if folder else "", shadow=shadow or end_shadow
    )
    _told(_ask(target, "ActivateModel", request), json)


@app.command()
def rollback(target: Target = "127.0.0.1:50051", json: AsJson = False) -> None:
    """Serves what served before."""
    from pilewise.v1 import operator_service_pb2 as op

    _told(_ask(target, "ActivateModel", op.ActivateModelRequest(rollback=True)), json)


@app.command()
def compare(target: Target = "127.0.0.1:50051", json: AsJson = False) -> None:
    """Tells how the bundle that scores beside differs from the one that serves."""
    from pilewise.v1 import operator_service_pb2 as op

    answer = _ask(target, "CompareModels", op.CompareModelsRequest())
    if not answer.HasField("shadow"):
        hint = "begin with `pilewise coordinator models activate FOLDER --shadow`"
        fail("CMD-106", "nothing scores beside what serves", hint=hint, exit_code=Exit.FAILED)
    parts = {part.part: _compared(part) for part in answer.parts}
    if json:
        both = {"active": _bundle(answer.active), "shadow": _bundle(answer.shadow)}
        emit({**both, "since": answer.since.ToJsonString(), "parts": parts})
        return
    say(_line(answer.active))
    say(_line(answer.shadow))
    for name, told in parts.items():
        say(f"  {name}: " + ", ".join(f"{key} {_short(value)}" for key, value in told.items()))


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help=FOLDER)],
    key: Annotated[Keys, typer.Option(help="Trusted public key, PEM; repeat.")] = None,
    allow_unsigned: Annotated[bool, typer.Option(help="A signature is not needed.")] = False,
    json: AsJson = False,
) -> None:
    """Checks and tries a bundle as the coordinator would; none has to run."""
    require("coordinator")
    from coordinator.errors import CoordinatorError
    from coordinator.models.signature import Trust
    from coordinator.models.trial import load_tried

    trust = Trust(tuple(str(one) for one in key or ()), allow_unsigned)
    try:
        with waiting(f"trying {folder}"):
            bundle = load_tried(folder, trust)
    except CoordinatorError as error:
        _refuse(error)
    told = {
        "name": bundle.name,
        "version": bundle.version,
        "manifest_sha256": bundle.manifest_sha256,
        "signed_by": bundle.signed_by,
        "expires_at": bundle.expires_at.isoformat() if bundle.expires_at else None,
        "parts": [part.name for part in bundle.parts],
    }
    if json:
        emit(told)
    else:
        by = f"signed by {bundle.signed_by}" if bundle.signed_by else "not signed"
        parts = ", ".join(part.name for part in bundle.parts)
        say(f"{bundle.name} {bundle.version} is good, {by}: {parts}")


@app.command()
def sign(
    folder: Annotated[Path, typer.Argument(help=FOLDER)],
    key: Annotated[Path, typer.Option(help="Private key, PEM, mode 0600.")],
    json: AsJson = False,
) -> None:
    """Signs a bundle: writes `manifest.sig` beside its manifest."""
    require("coordinator")
    from coordinator.errors import CoordinatorError
    from coordinator.models import signature
    from coordinator.models.bundle import load
    from coordinator.models.bundle_files import MANIFEST, SIGNATURE, read_file

    try:
        # Nobody should vouch for what would not be taken.
        with waiting(f"checking {folder}"):
            bundle = load(folder)
        written = signature.sign(read_file(folder / MANIFEST), key)
    except CoordinatorError as error:
        _refuse(error)
    (folder / SIGNATURE).write_bytes(written)
    if json:
        emit({"name": bundle.name, "version": bundle.version, "signature": str(folder / SIGNATURE)})
    else:
        say(f"signed {bundle.name} {bundle.version}: {folder / SIGNATURE}")


@app.command("key")
def make_key(
    out: Annotated[Path, typer.Option(help="Where the private key goes; a new file.")],
    json: AsJson = False,
) -> None:
    """Makes a key to sign with, and beside it the public key that coordinators trust."""
    require("coordinator")
    from coordinator.errors import CoordinatorError
    from coordinator.models import signature

    public = out.with_name(f"{out.stem}.pub.pem")
    try:
        signature.make_key(out, public)
    except CoordinatorError as error:
        _refuse(error)
    if json:
        emit({"private_key": str(out), "public_key": str(public)})
        return
    say(f"private key {out}, keep it; public key {public}, for models.trusted_keys")


def _ask(target: str, name: str, request: Any) -> Any:
    return asyncio.run(call(_send(target, name, request), target))


async def _send(target: str, name: str, request: Any) -> Any:

    from pilewise.v1 import operator_service_pb2_grpc as op_rpc

    async with dial.channel(target) as channel:
        stub = op_rpc.OperatorServiceStub(channel)
        return await getattr(stub, name)(request, timeout=CALL_S)


def _told(answer: op.ActivateModelResponse, json: bool) -> None:
    if json:
        emit(_served(answer))
        return
    for bundle in answer.bundles:
        say(_line(bundle))


def _served(answer: op.ListModelsResponse | op.ActivateModelResponse) -> dict[str, Any]:
    return {
        "bundles": [_bundle(bundle) for bundle in answer.bundles],
        "models": [
            {
                "part": model.model.name,
                "version": model.model.version,
                "sha256": model.model.sha256,
                "role": "shadow" if model.shadow else "active",
                "failed_runs": model.failed_run_count,
                "slow_runs": model.slow_run_count,
                "resting": model.resting,
            }
            for model in answer.models
        ],
    }


def _bundle(bundle: op.BundleInfo) -> dict[str, Any]:
    return {
        "role": _role(bundle),
        "name": bundle.name,
        "version": bundle.version,
        "manifest_sha256": bundle.manifest_sha256,
        "came_from": bundle.came_from,
        "signed_by": bundle.signed_by,
        "expires_at": bundle.expires_at.ToJsonString() if bundle.HasField("expires_at") else None,
        "expired": bundle.expired,
    }


def _line(bundle: op.BundleInfo) -> str:
    source = bundle.came_from or "the software"
    expired = f", EXPIRED {bundle.expires_at.ToJsonString()}" if bundle.expired else ""
    return f"{_role(bundle):8}  {bundle.name} {bundle.version}  from {source}{expired}"


def _role(bundle: op.BundleInfo) -> str:
    from pilewise.v1 import operator_service_pb2 as op

    return op.BundleRole.Name(bundle.role).removeprefix("BUNDLE_ROLE_").lower()


def _compared(part: op.ModelComparison) -> dict[str, Any]:
    def given(name: str) -> float | None:
        return round(getattr(part, name), 6) if part.HasField(name) else None  # type: ignore[arg-type]

    return {
        "runs": part.run_count,
        "requests": part.request_count,
        "dropped_runs": part.dropped_run_count,
        "failed_runs": part.failed_run_count,
        "top1_agreement": given("top1_agreement"),
        "rank_agreement": given("rank_agreement"),
        "score_correlation": given("score_correlation"),
        "mean_difference": round(part.mean_difference, 6),
        "active_p50_s": round(part.active_p50_s, 6),
        "active_p99_s": round(part.active_p99_s, 6),
        "shadow_p50_s": round(part.shadow_p50_s, 6),
        "shadow_p99_s": round(part.shadow_p99_s, 6),
    }


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _refuse(error: Exception) -> NoReturn:
    code, hint = getattr(error, "code", "COORD-000"), getattr(error, "hint", "")
    fail(code, str(error), hint=hint, exit_code=Exit.FAILED)
