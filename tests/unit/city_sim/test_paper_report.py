"""The page of the paper's simulation: every figure is there, drawn anew, and nothing is loaded."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from city_sim.__main__ import main
from city_sim.paper import command, drawings
from city_sim.paper.columns import columns
from city_sim.paper.configurations import CONFIGURATIONS
from city_sim.paper.instance import draw
from city_sim.paper.report import report
from city_sim.paper.runs import Run, outcome
from city_sim.paper.sizes import Size
from city_sim.paper.summary import summed
from city_sim.reports import Origin, page

ROOT = Path(__file__).resolve().parents[3]
FEW = Size("few", 12, 3, 1, 4)
VOID = {"meta", "br", "link", "img", "path", "use", "circle", "rect", "line", "hr"}


class Reader(HTMLParser):
    """Open tags, captions, and whatever might be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.captions: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key in {"src", "href", "action", "data"} and not (value or "").startswith("#"):
                self.fetched.append(f"{tag} {key}={value}")
        if tag == "figcaption":
            self.captions.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "figcaption" in self.open:
            self.captions[-1] += data


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_page_has_every_figure_of_the_paper_and_ours(tmp_path: Path) -> None:
    """Fig. 4 to 17 each once, then Pilewise and the optimum; the JSON says where the page is."""
    pytest.importorskip("matplotlib")
    code = "from pilewise.cli import main; main()"
    words = ["city", "paper", "--seeds", "1", "--jobs", "1", "--report", str(tmp_path), "--json"]

    ran = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True, text=True, timeout=280, check=False, cwd=ROOT,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert ran.stdout.count("\n") == 1
    assert told["report"] == str(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    read = Reader(text)
    assert read.open == []
    assert read.fetched == []
    assert not re.search(r"(?:url\(|@import)\s*['\"]?(?!#)\w", text)
    found = [
        int(n) for caption in read.captions for n in re.findall(r"Paper Fig\. (\d+):", caption)
    ]
    assert sorted(found) == list(range(4, 18))
    for ours in ("Ways by Pilewise", "Cars at each pile by Pilewise", "Ways by the optimum"):
        assert sum(ours in caption for caption in read.captions) == 1
    assert text.count("<svg") == len(read.captions)
    assert "--report" in text
    assert f"{100 * told['integrated_reduction']:.1f} ±" in text


def origin() -> Origin:
    return Origin(["pilewise", "city", "paper"], datetime(2026, 3, 1, tzinfo=UTC), (1,))


@pytest.mark.slow
def test_page_of_all_readings_has_their_table_and_is_the_same_twice() -> None:
    """Each configuration is told with what it assumes; one run gives one page."""
    pytest.importorskip("matplotlib")
    runs = {letter: Run(letter, FEW, 1) for letter in CONFIGURATIONS}
    rows = {letter: [outcome(run)] for letter, run in runs.items()}
    told = {"configs": {letter: summed(some) for letter, some in rows.items()}}

    text = page(report(told, rows, runs["D"], origin()))

    assert text == page(report(told, rows, runs["D"], origin()))
    for one in CONFIGURATIONS.values():
        assert f"<td>{one.letter}</td><td>{escape(one.about)[:20]}" in text


@pytest.mark.slow
def test_literal_traffic_is_said_on_the_page() -> None:
    """Whoever takes the text by its word reads so under the figures."""
    pytest.importorskip("matplotlib")
    run = Run("D", FEW, 1, literal_traffic=True)
    rows = [outcome(run)]

    text = page(report(summed(rows), {"D": rows}, run, origin()))

    assert "with the most load" in text


def test_columns_say_who_is_beyond_the_slots() -> None:
    """Three cars on two slots: one without, in the numbers under the figure too."""
    pytest.importorskip("matplotlib")
    figure = columns("Cars", "As sent.", [3, 1], 2)

    assert figure.numbers is not None
    assert [row["without"] for row in figure.numbers.rows] == [1, 0]


def test_links_lead_from_each_car_to_its_pile(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each car, and a station as large as its crowd."""
    scene = draw(CONFIGURATIONS["D"], Size("four", 4, 2, 1, 4), 1)
    seen = {}
    monkeypatch.setattr(drawings, "scatter", lambda *told, **_: seen.update(told=told))

    drawings.ways(scene, np.array([1, 1, 0, 1]), "Ways", "All.")

    _, _, places, links = seen["told"]
    assert [(link.begin, link.end) for link in links] == [(0, 5), (1, 5), (2, 4), (3, 5)]
    assert [place.size for place in places if place.kind == "station"] == [1.0, 3.0]


def test_report_over_another_file_is_refused_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no report stays, and nothing is computed in vain."""
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(command, "compute", lambda *_: pytest.fail("computed in vain"))
    (tmp_path / "report.html").write_text("mine")

    assert main(["paper", "--report", str(tmp_path)]) == 1

    assert "error[REPORT-002]" in capsys.readouterr().err
    assert (tmp_path / "report.html").read_text() == "mine"
