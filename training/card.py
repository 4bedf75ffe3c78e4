"""The model card beside a bundle: what each part is for, learned from what, how good, and plots.

`card.md` and the plots are for people: the manifest does not name them, and no loader reads them.
Figures are those of the manifest, so a card never says anything else than its bundle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from coordinator.core.recommend.features import COLUMN
from coordinator.models.manifest import Manifest, Part
from training.datasets import Choices
from training.evaluate import station_ranks
from training.plots import bins_of, grouped, reliability

Float32 = NDArray[np.float32]
Floats = NDArray[np.float64]

CARD = "card.md"
LEVELS = ("level_high", "level_medium", "level_low")
# Figures by the names that metrics end with; what stands before them says whose they are.
KEYS = (
    "hit1", "hit3", "mrr", "ndcg10", "brier", "log_loss", "ece", "auc", "rmsle", "accuracy",
    "mae", "pairs", "rmse", "loss", "parity", "rows",
)  # fmt: skip
PURPOSES = {
    "ranker": "Orders the candidates of one request. Wait, price and risk can only lower a score.",
    "failure": "Says the chance that an outage of a pile begins within 24 hours.",
    "portrait": "Makes a vector of a driver, so that drivers who choose alike are near each other.",
    "travel": "Says how well a station fits what the journey asks for.",
    "arrival": "Says the chance that an EVSE works, and is free, when the car arrives.",
}
# Names of figures that are told in words.
_STOPPED = "stopped_by_"
_HOW = ("layers_joint", _STOPPED, "epochs")
LIMITS = (
    "The generated city stands in for data that nobody could ship: its drivers choose by rules that"
    " are known, so figures on it say that a model can learn, not that it is right about a place."
    " Makers and models mean nothing in it on purpose. Before a bundle serves, let it score beside"
    " the active one, or make one from own requests, which has to pass a gate."
)


def ranker_plots(choices: Choices, scores: Mapping[str, Float32]) -> dict[str, str]:
    """The plot of NDCG at 10 by warning level, each scorer a bar; levels without rows are left out.

    `scores` (n, k) by name, larger is better.
    """
    first = np.arange(len(choices)), 0  # the level is the same for all candidates of a request
    ranks = {name: station_ranks(one, choices) for name, one in scores.items()}
    gains = {
        name: np.where(rank <= 10, 1.0 / np.log2(rank + 1.0), 0.0) for name, rank in ranks.items()
    }
    groups: dict[str, dict[str, float]] = {}
    for level in LEVELS:
        rows = choices.features[(*first, COLUMN[level])] > 0
        if rows.any():
            words = f"{level.removeprefix('level_')} ({int(rows.sum())})"
            groups[words] = {name: float(gain[rows].mean()) for name, gain in gains.items()}
    return {"ranker.ndcg_by_level.svg": grouped("NDCG at 10 by warning level (requests)", groups)}


def reliability_plots(
    part: str, title: str, said: Floats, happened: NDArray[np.bool_], what: str = ""
) -> dict[str, str]:
    """The reliability diagram of a part that tells probabilities; `what` names one of several."""
    name = f"{part}.{what}_reliability.svg" if what else f"{part}.reliability.svg"
    return {name: reliability(title, bins_of(said, happened))}


def write_card(folder: Path, plots: Mapping[str, str], notes: Sequence[str] = ()) -> list[str]:
    """Writes `card.md` and these plots beside the manifest; gives the names of the files.

    Plots are named after their part (`ranker.ndcg_by_level.svg`); those of parts that were kept
    stay as they are. `notes` are further paragraphs.
    """
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    for name, svg in plots.items():
        (folder / name).write_text(svg, "utf-8")
    for old in folder.glob("*.svg"):
        if old.name.split(".")[0] not in manifest.parts:
            old.unlink()
    drawn = sorted(file.name for file in folder.glob("*.svg"))
    paragraphs = [
        f"# Model card: {manifest.name} {manifest.version}",
        f"Expires at {manifest.expires_at}." if manifest.expires_at else "Does not expire.",
        *notes,
    ]
    for name, part in manifest.parts.items():
        paragraphs += _part(name, part, manifest.files[part.file])
        own = [plot for plot in drawn if plot.split(".")[0] == name]
        paragraphs += [f"![{plot.split('.')[1].replace('_', ' ')}]({plot})" for plot in own]
    paragraphs += ["## Limits", LIMITS]
    (folder / CARD).write_text("\n\n".join(paragraphs) + "\n", "utf-8")
    return [CARD, *drawn]


def _part(name: str, part: Part, sha256: str) -> list[str]:
    shapes = ", ".join(f"`{t.name}` {t.shape}" for t in part.inputs)
    facts = (
        f"- file `{part.file}`, SHA-256 `{sha256[:16]}…`\n"
        f"- inputs {shapes}, columns `{part.schema_sha256[:16]}…`\n"
        f"- learned from data `{part.training_data_sha256[:16]}…`"
    )
    purpose = PURPOSES.get(name, "")
    how = _how(part.metrics)
    told = {key: value for key, value in part.metrics.items() if not key.startswith(_HOW)}
    return [text for text in (f"## {name}", purpose, facts, how, _table(told)) if text]


def _how(metrics: Mapping[str, float]) -> str:
    """How the layers were trained and what ended it, of a part whose metrics say so.

    >>> _how({"layers_joint": 1.0, "stopped_by_no_gain": 1.0, "epochs": 37.0})
    'Its layers learned jointly, which no gain ended after 37 epochs.'
    """
    if "layers_joint" not in metrics:
        return ""
    way = "jointly" if metrics["layers_joint"] else "one by one"
    why = next(
        (
            name.removeprefix(_STOPPED).replace("_", " ")
            for name, value in metrics.items()
            if name.startswith(_STOPPED) and value
        ),
        "nothing",
    )
    return f"Its layers learned {way}, which {why} ended after {metrics['epochs']:.0f} epochs."


def _table(metrics: Mapping[str, float]) -> str:
    """The figures as a table: a line for the model and for each baseline, a column a figure."""
    lines: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        key = max((k for k in KEYS if name == k or name.endswith(f"_{k}")), key=len, default=name)
        whose = name.removesuffix(key).rstrip("_") or "this model"
        lines.setdefault(whose, {})[key] = value
    keys = [key for key in KEYS if any(key in line for line in lines.values())]
    keys += sorted({key for line in lines.values() for key in line} - set(keys))
    if not keys:
        return ""
    rows = [f"| on later or unseen rows | {' | '.join(keys)} |", "|---" * (len(keys) + 1) + "|"]
    for whose, line in lines.items():
        cells = (_figure(key, line[key]) if key in line else "" for key in keys)
        rows.append(f"| {whose} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _figure(key: str, value: float) -> str:
    """A figure as it is read: counts whole, others with four digits."""
    return f"{value:.0f}" if key == "rows" else f"{value:.4g}"
