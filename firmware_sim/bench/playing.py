"""Plays a scenario that a bench request names or brings, on piles of its own.

Scenarios themselves are in `scenario/`; they are loaded when the first one is played.
"""

from __future__ import annotations

from firmware_sim.errors import BadArgumentError, ConfigError
from pilewise.v1 import bench_service_pb2 as pb


def played(request: pb.RunScenarioRequest) -> pb.RunScenarioResponse:
    """How it ended; raises BadArgumentError with every mistake of the file."""
    from firmware_sim.bench.scenario import library, read, run

    kind = request.WhichOneof("scenario")
    if kind is None:
        raise BadArgumentError("name", f"name a scenario: {', '.join(library.names())}")
    try:
        if kind == "toml":
            scenario = read(request.toml, name="scenario", file="scenario.toml")
        elif request.name in library.names():
            scenario = library.shipped(request.name)
        else:
            known = ", ".join(library.names())
            raise BadArgumentError("name", f"no scenario {request.name!r}; known are {known}")
    except ConfigError as error:
        raise BadArgumentError(kind, str(error)) from error
    report = run(scenario, request.seed)
    return pb.RunScenarioResponse(
        name=report.name,
        passed=report.passed,
        checks=[
            pb.ScenarioCheck(
                line=check.line,
                text=check.text,
                evse_id=check.evse_id,
                passed=check.passed,
                at_s=check.at_s,
                took_s=check.took_s,
                seen=check.seen,
            )
            for check in report.checks
        ],
        simulated_s=report.simulated_s,
        result_hash=report.result_hash,
    )
