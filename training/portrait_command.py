"""`python -m training portrait`: the portrait encoder alone, from a city, real sessions or vectors.

What is learned is in `portrait.py`, how it is judged in `portrait_figures.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.backtest.command import fail

if TYPE_CHECKING:
    from coordinator.core.ports import PortraitEncoder
    from training.export import Exported
    from training.journeys import Journeys

BUNDLE_NAME = "portrait"
PAIRS, SUPERVISED = "pairs", "supervised"


def add_to(commands: Any) -> None:
    """Adds the command to those of `python -m training`."""
    portrait = commands.add_parser("portrait", help="the portrait encoder alone")
    portrait.add_argument(
        "--mode",
        choices=(PAIRS, SUPERVISED),
        default=PAIRS,
        help="learn from pairs of users, or from the vectors of a file",
    )
    portrait.add_argument("--vectors", type=Path, help="CSV of user_id,v0,v1,... for supervised")
    portrait.add_argument("--sessions", type=Path, help="CSV of real sessions instead of a city")
    portrait.add_argument("--stations", type=Path, help="CSV with lat and lon of their stations")
    portrait.add_argument(
        "--encoder", type=Path, help="learn nothing; judge this bundle's encoder on the sessions"
    )
    portrait.add_argument("--seed", type=int, default=7, help="seed of data and weights")
    portrait.add_argument("--out", type=Path, help="folder of a bundle; its other parts stay")
    portrait.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(options: argparse.Namespace) -> int:
    """0 with figures on stdout; 2 for options that do not go together, 3 for unusable data."""
    import torch

    from coordinator.errors import BundleRefused
    from training.export import NotKept
    from training.sources.files import SourceInvalid

    if (options.mode == SUPERVISED) != (options.vectors is not None):
        fail("TRAIN-008", "--mode supervised and --vectors belong together", "give both or none")
        return 2
    if options.encoder and not options.sessions:
        fail("TRAIN-008", "--encoder is judged on sessions", "give --sessions and --stations")
        return 2
    if (options.sessions is None) != (options.stations is None):
        fail("TRAIN-008", "--sessions and --stations belong together", "give both or none")
        return 2
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        result = _judge(options) if options.encoder else _train(options)
    except BundleRefused as error:
        return fail(error.code, str(error), error.hint)
    except SourceInvalid as error:
        return fail("TRAIN-002", str(error), error.hint)
    except NotKept as error:
        fail("TRAIN-006", str(error), error.hint)
        return 2
    if options.json:
        print(json.dumps(result, separators=(",", ":")))
    else:
        print("\n".join(f"{name:<28} {value}" for name, value in result.items()))
    return 0


def _train(options: argparse.Namespace) -> dict[str, Any]:
    from training.export import keep, write_bundle
    from training.portrait_part import (
        STOPPED,
        Encoded,
        PortraitEffort,
        learnt_part,
        portrait_part,
        vectors_part,
    )

    tell = partial(print, file=sys.stderr)
    effort = PortraitEffort()
    kept = keep(options.out, [BUNDLE_NAME]) if options.out else None
    if options.mode == SUPERVISED:
        part = vectors_part(_journeys(options, effort), options.vectors, options.seed, effort, tell)
    elif options.sessions:
        journeys = _journeys(options, effort)
        part = learnt_part([journeys], options.seed, effort, tell, placed=False)
        later = _figures(journeys, Encoded(part.content), STOPPED, options.seed)
        part = replace(part, metrics=part.metrics | later)
    else:
        part = portrait_part(options.seed, effort, tell)
    version = f"1.0.0-seed{options.seed}"
    if options.out:
        name = kept.name if kept else BUNDLE_NAME
        write_bundle(options.out, name, kept.version if kept else version, [part], kept=kept)
    return _told(options, part)


def _judge(options: argparse.Namespace) -> dict[str, Any]:
    """Figures of an encoder that was learned elsewhere, on the last part of the sessions."""
    from coordinator.errors import BundleRefused
    from coordinator.models.bundle import load
    from training.portrait_part import LEARNED, PortraitEffort

    encoder = load(options.encoder).models.get(BUNDLE_NAME)
    if encoder is None:
        raise BundleRefused(
            str(options.encoder), "it has no part portrait", "make one with --out FOLDER"
        )
    return _figures(_journeys(options, PortraitEffort()), encoder, LEARNED, options.seed)


def _figures(
    journeys: Journeys, encoder: PortraitEncoder, share: float, seed: int
) -> dict[str, float]:
    """Figures on sessions later than this share of the time.

    A session does not say where its driver was when asking, so nearness plays no part.
    """
    from training.portrait_figures import figures

    span = (journeys.time(share), float(journeys.at_s[-1]))
    seen = figures(journeys, span, {"encoder": encoder}, seed, placed=False)
    return {name: round(value, 4) for name, value in seen.items()}


def _journeys(options: argparse.Namespace, effort: Any) -> Journeys:
    """Of the sessions of a file, or of one generated city."""
    from training.journeys import from_sessions, generate_journeys
    from training.sources import read_sessions

    if options.sessions:
        return from_sessions(read_sessions([options.sessions], options.stations))
    return generate_journeys(options.seed, 0, effort.days, effort.requests_a_day, effort.drivers)


def _told(options: argparse.Namespace, part: Exported) -> dict[str, Any]:
    """What the command prints."""
    return {
        "mode": options.mode,
        "bytes": len(part.content),
        "worth_serving": part.worth,
        **{name: round(value, 4) for name, value in part.metrics.items()},
    }
