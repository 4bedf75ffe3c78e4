"""The card beside a bundle: figures of its manifest, plots that say what they show."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import numpy as np
from own_requests import SHOWN, candidates

from coordinator.core.recommend.features import COLUMN
from coordinator.models.bundle import load
from coordinator.models.manifest import Manifest
from coordinator.models.serving import BUNDLED
from training.card import CARD, ranker_plots, reliability_plots, write_card
from training.datasets import Choices
from training.plots import Bin, bins_of, grouped, reliability

SVG = "{http://www.w3.org/2000/svg}"


def shown(requests: int = 40) -> Choices:
    """Requests with eight stations each, the first chosen."""
    rng = np.random.default_rng(5)
    shape = requests, SHOWN
    return Choices(
        features=np.stack([candidates(rng) for _ in range(requests)]),
        mask=np.ones(shape, dtype=np.float32),
        chosen=np.zeros(requests, dtype=np.int64),
        station=np.tile(np.arange(SHOWN), (requests, 1)),
        cost_s=np.zeros(shape, dtype=np.float32),
        visits=np.zeros(shape, dtype=np.float32),
        at_s=np.arange(requests, dtype=np.float64),
        city=np.zeros(requests, dtype=np.int64),
    )


def bundle(folder: Path) -> Path:
    """A copy of the shipped bundle without its card."""
    shutil.copytree(BUNDLED, folder, ignore=shutil.ignore_patterns("card.md", "*.svg"))
    return folder


def test_card_says_what_the_manifest_says(tmp_path: Path) -> None:
    """Name, version, hash and every figure of every part stand in the card."""
    folder = bundle(tmp_path / "b")

    names = write_card(folder, {})

    text = (folder / CARD).read_text()
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    assert names == [CARD]
    assert f"{manifest.name} {manifest.version}" in text
    for name, part in manifest.parts.items():
        assert f"## {name}\n" in text
        assert manifest.files[part.file][:16] in text
        for key, value in part.metrics.items():
            if key == "layers_joint":
                assert "jointly" in text
            elif key != "epochs" and not key.startswith("stopped_by_"):
                assert (f" {value:.0f} " if key.endswith("rows") else f" {value:.4g} ") in text


def test_a_bundle_with_a_card_loads_as_without(tmp_path: Path) -> None:
    """The card is for people: no loader asks for it, and changing it changes no hash."""
    folder = bundle(tmp_path / "b")
    before = load(folder)
    plots = reliability_plots("failure", "t", np.array([0.1, 0.9] * 20), np.arange(40) % 2 == 1)
    write_card(folder, plots)
    (folder / CARD).write_text("mine")

    assert load(folder).parts == before.parts


def test_plots_of_kept_parts_stay_and_those_of_none_go(tmp_path: Path) -> None:
    """Making one part anew leaves the other's plot; a part that is gone takes its plot along."""
    folder = bundle(tmp_path / "b")
    said, happened = np.linspace(0.01, 0.5, 100), np.arange(100) % 3 == 0
    write_card(folder, reliability_plots("failure", "t", said, happened))
    (folder / "gone.reliability.svg").write_text("<svg/>")

    rows = shown()
    names = write_card(folder, ranker_plots(rows, {"this model": rows.mask}))

    assert names == [CARD, "failure.reliability.svg", "ranker.ndcg_by_level.svg"]
    text = (folder / CARD).read_text()
    assert "![reliability](failure.reliability.svg)" in text
    assert "![ndcg by level](ranker.ndcg_by_level.svg)" in text


def test_levels_are_drawn_apart_and_a_better_scorer_higher() -> None:
    """A bar for each scorer; one that knows the choice reaches 1, one that knows nothing less."""
    rows = shown()
    rows.features[:10] = 0.0
    rows.features[:10, :, COLUMN["level_high"]] = 1.0
    knowing = np.zeros_like(rows.mask)
    knowing[:, 0] = 1.0

    svg = ranker_plots(rows, {"knows": knowing, "blind": rows.mask})["ranker.ndcg_by_level.svg"]

    tree = ElementTree.fromstring(svg)
    bars = {title.text for bar in tree.iter(f"{SVG}rect") for title in bar.iter(f"{SVG}title")}
    words = [text.text for text in tree.iter(f"{SVG}text")]
    assert bars == {"knows: 1.000", f"blind: {1 / np.log2(5.5):.3f}"}
    assert {"high (10)", "low (30)"} <= set(words)
    assert "medium" not in svg


def test_reliability_diagram_puts_a_calibrated_model_on_the_line() -> None:
    """Points of equal said and seen lie on the diagonal; all are inside the frame."""
    bins = [Bin(0.1 * n, 0.1 * n, 200) for n in range(1, 6)]

    tree = ElementTree.fromstring(reliability("A title & more", bins))

    points = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in tree.iter(f"{SVG}circle")]
    line = next(one for one in tree.iter(f"{SVG}line") if one.get("stroke-width") == "2")
    x1, y1, x2, y2 = (float(line.get(name, "")) for name in ("x1", "y1", "x2", "y2"))
    for x, y in points:
        assert abs((y - y1) - (y2 - y1) * (x - x1) / (x2 - x1)) < 0.2
        assert x1 <= x <= x2
    assert len(points) == 5


def test_bins_hold_every_row_once() -> None:
    """Bins of equal count, lowest first; fewer rows than bins leave none empty."""
    rng = np.random.default_rng(1)
    said = rng.random(103)
    bins = bins_of(said, rng.random(103) < said)

    assert sum(one.count for one in bins) == 103
    assert [one.said for one in bins] == sorted(one.said for one in bins)
    assert len(bins_of(said[:3], said[:3] > 0.5)) == 3


def test_the_same_figures_give_the_same_bytes() -> None:
    """Nothing of the day or the machine is in a plot."""
    groups = {"high": {"a": 0.5, "b": 0.25}}

    assert grouped("t", groups) == grouped("t", groups)
    assert "<title>a: 0.500</title>" in grouped("t", groups)
