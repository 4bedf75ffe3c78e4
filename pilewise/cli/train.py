"""`pilewise train`: models from the shipped generator, and backtests on real data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pilewise.cli.launch import become

app = typer.Typer(help="Trains models and writes bundles.", no_args_is_help=True)
backtest = typer.Typer(
    help="Estimates against baselines on real data; needs no torch.", no_args_is_help=True
)
app.add_typer(backtest, name="backtest")

Connectors = Annotated[Path, typer.Option(help="CSV of connectors.")]
IntervalsFile = Annotated[Path, typer.Option(help="CSV of their states over time, may be gzipped.")]
From = Annotated[str, typer.Option(help="Date or time at which the test span begins.")]
Seed = Annotated[int, typer.Option(help="Seed of the confidence intervals.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]
Bundle = Annotated[Path | None, typer.Option(help="Folder of the models that are served.")]
Later = Annotated[Path | None, typer.Option(help="A file with what came later, instead.")]


@app.callback()
def _group() -> None:
    """Keeps `all` a command of its own."""


@app.command("all")
def train_all(
    seed: Annotated[int, typer.Option(help="Seed of data and weights.")] = 7,
    out: Annotated[Path | None, typer.Option(help="Folder of the bundle.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Trains everything from the generated city; needs the extra `train`."""
    args = ["all", "--seed", str(seed)]
    if out is not None:
        args += ["--out", str(out)]
    if json:
        args.append("--json")
    become("training", *args)


@app.command("data")
def data(
    files: Annotated[list[Path], typer.Argument(help="Files, folders, a coordinator's data_dir.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Columns and quality of data: rows, span, what was dropped and why, clock trouble."""
    become("training", "data", *map(str, files), *(["--json"] if json else []), needs="coordinator")


@app.command("from-store")
def from_store(
    data_dir: Annotated[Path, typer.Option(help="Data of a coordinator; it may be running.")],
    out: Annotated[Path | None, typer.Option(help="New folder of the candidate.")] = None,
    active: Annotated[Path | None, typer.Option(help="Bundle to beat, not the one served.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of data, weights and intervals.")] = 7,
    cities: Annotated[int, typer.Option(help="Generated cities to learn from as well.")] = 4,
    activate: Annotated[bool, typer.Option(help="Activate it if it passed the gate.")] = False,
    target: Annotated[str, typer.Option(help="Coordinator to activate it at.")] = "127.0.0.1:50051",
    key: Annotated[Path | None, typer.Option(help="Private key to sign the bundle with.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """A ranker from a coordinator's own requests; activated only if it is better."""
    args = ["--data-dir", str(data_dir), "--seed", str(seed), "--cities", str(cities)]
    for name, path in (("--out", out), ("--active", active), ("--key", key)):
        args += [name, str(path)] if path else []
    args += ["--activate", "--target", target] if activate else []
    become("training", "from-store", *args, *(["--json"] if json else []), needs="coordinator")


@app.command("arrival")
def train_arrival(
    connectors: Connectors,
    intervals: IntervalsFile,
    out: Annotated[Path | None, typer.Option(help="New folder of the bundle.")] = None,
    base: Annotated[Path | None, typer.Option(help="Bundle with the other parts.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of rows and weights.")] = 7,
    json: Json = False,
) -> None:
    """Trains the arrival model from states of connectors; needs the extra `train`."""
    args = ["--connectors", str(connectors), "--intervals", str(intervals), "--seed", str(seed)]
    args += ["--out", str(out)] if out else []
    args += ["--base", str(base)] if base else []
    become("training", "arrival", *args, *(["--json"] if json else []))


@backtest.command("choice")
def backtest_choice(
    sessions: Annotated[Path, typer.Option(help="CSV of sessions, may be gzipped.")],
    stations: Annotated[Path, typer.Option(help="CSV of stations with lat and lon.")],
    test_from: From = "",
    test_sessions: Later = None,
    seed: Seed = 7,
    json: Json = False,
) -> None:
    """At which station does a user charge next?"""
    args = ["--sessions", str(sessions), "--stations", str(stations)]
    args += ["--test-sessions", str(test_sessions)] if test_sessions else []
    _backtest("choice", args, test_from, seed, json)


@backtest.command("reliability")
def backtest_reliability(
    connectors: Connectors,
    intervals: IntervalsFile,
    test_from: From = "",
    test_intervals: Later = None,
    bundle: Bundle = None,
    seed: Seed = 7,
    json: Json = False,
) -> None:
    """Which connector goes out of service?"""
    args = ["--connectors", str(connectors), "--intervals", str(intervals), *_of(bundle)]
    args += ["--test-intervals", str(test_intervals)] if test_intervals else []
    _backtest("reliability", args, test_from, seed, json)


@backtest.command("arrival")
def backtest_arrival(
    connectors: Connectors,
    intervals: IntervalsFile,
    test_from: From = "",
    test_intervals: Later = None,
    horizons: Annotated[str, typer.Option(help="Minutes ahead, with commas.")] = "5,15,30,60",
    bundle: Bundle = None,
    seed: Seed = 7,
    json: Json = False,
) -> None:
    """Is a connector usable and free on arrival?"""
    args = ["--connectors", str(connectors), "--intervals", str(intervals), *_of(bundle)]
    args += ["--test-intervals", str(test_intervals)] if test_intervals else []
    _backtest("arrival", [*args, "--horizons", horizons], test_from, seed, json)


@backtest.command("fleets")
def backtest_fleets(
    fleets: Annotated[int, typer.Option(help="How many, each with its own seed.")] = 10,
    piles: Annotated[int, typer.Option(help="Piles in each.")] = 2000,
    bundle: Bundle = None,
    seed: Annotated[int, typer.Option(help="Seed of the fleets.")] = 7,
    json: Json = False,
) -> None:
    """Failure rates of made-up fleets, whose truth is known."""
    args = ["--fleets", str(fleets), "--piles", str(piles), *_of(bundle)]
    _backtest("fleets", args, "", seed, json)


def _of(bundle: Path | None) -> list[str]:
    return [] if bundle is None else ["--bundle", str(bundle)]


def _backtest(name: str, args: list[str], test_from: str, seed: int, json: bool) -> None:
    """Hands over to the training room, which needs no more than the coordinator does."""
    args += ["--test-from", test_from] if test_from else []
    args += ["--seed", str(seed), *(["--json"] if json else [])]
    become("training", "backtest", name, *args, needs="coordinator")
