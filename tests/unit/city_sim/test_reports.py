"""A run's report: one file that stands alone, repeatable, readable by everybody."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from city_sim.reports import (
    Bar,
    Figure,
    FiguresUnavailable,
    Line,
    Link,
    Origin,
    Place,
    Report,
    ReportRefused,
    Section,
    Table,
    bars,
    drawing,
    ecdf,
    heat,
    histogram,
    lines,
    page,
    ready,
    scatter,
    write,
)
from city_sim.reports.colours import DASHES, HATCHES, MARKERS, hues

ROOT = Path(__file__).resolve().parents[3]
WAITS = {"nearest": [1.0, 4.0, 9.0, 12.5], "pilewise": [0.5, 1.0, 2.0, 3.0]}


def figures() -> list[Figure]:
    """One of each kind."""
    drawn = [Bar(name, sum(w) / 4, min(w), max(w), "wait") for name, w in WAITS.items()]
    places = [Place(0.0, 0.0, "station", 4.0, 0.9, "Mall"), Place(1.0, 2.0, "car")]
    day = [float(hour) for hour in range(24)]
    return [
        bars("Wait by policy", "Pilewise waits least.", drawn, "wait (min)"),
        histogram("Waits", "Most are short.", WAITS, "wait (min)"),
        ecdf("Waits", "Half wait at most 2 min.", WAITS, "wait (min)"),
        lines("Use", "Highest at noon.", {"taken": Line(day, day, day, day)}, "hour", "plugs",
              clock=True),
        scatter("Ways", "One car, one station.", places, [Link(1, 0)]),
        heat("Load", "The mall is full.", [[0.1, 0.9], [float("nan"), 0.5]], ["Mall", "Park"],
             ["06:00", "07:00"], "share taken"),
    ]  # fmt: skip


def report(*parts: Figure | Table | str, argv: tuple[str, ...] = ("pilewise", "city")) -> Report:
    at = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
    origin = Origin(argv, at, (1, 2, 3), {"cars": 950}, {"ranker": "1, SHA-256 ab"})
    return Report("A day <small>", "It went well.", (Section("Waits", parts),), origin)


class Reader(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.slow
def test_report_of_the_same_run_is_the_same_file() -> None:
    """Nothing but what is passed in gets into the file, figures included."""
    assert page(report(*figures())) == page(report(*figures()))


@pytest.mark.slow
def test_report_needs_nothing_but_itself() -> None:
    """No script, nothing loaded, and the browser is told to load nothing."""
    text = page(report(*figures()))
    read = Reader(text)

    assert not {tag for tag, _ in read.tags} & {"script", "link", "img", "iframe", "image"}
    urls = {
        value
        for _, attributes in read.tags
        for key, value in attributes.items()
        if value and key != "xmlns" and ("//" in value or key == "src")
    }
    assert urls == set()
    assert "@import" not in text
    assert "default-src 'none'" in text


@pytest.mark.slow
def test_figures_are_named_for_those_who_cannot_see_them() -> None:
    """Every drawing has a title and a description of its own, and no id occurs twice."""
    text = page(report(*figures()))
    read = Reader(text)
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]

    assert [n for n, count in Counter(ids).items() if count > 1] == []
    drawings = [attributes for tag, attributes in read.tags if tag == "svg"]
    assert len(drawings) == 6
    for attributes in drawings:
        assert attributes["role"] == "img"
        assert set((attributes["aria-labelledby"] or "").split()) <= set(ids)
    referred = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    assert referred <= set(ids)
    assert referred


@pytest.mark.slow
def test_figures_keep_text_as_text_and_colours_as_variables() -> None:
    """Labels can be found and read aloud; light and dark change the colours, not the drawing."""
    for figure in figures():
        assert "<text" in figure.svg
        assert "currentColor" in figure.svg
        assert not re.search(r"(?:fill|stroke): ?#", figure.svg)
        assert not re.search(r'(?:fill|stroke)="#', figure.svg)
        assert len(figure.svg) < 30_000
    assert ">pilewise</text>" in figures()[0].svg


@pytest.mark.slow
def test_figure_with_a_formula_for_a_name_shows_the_name() -> None:
    """Dollars, angle brackets and Chinese in names are names."""
    name = "充电 $a_b$ <i>"

    drawn = bars(name, name, [Bar(name, 1.0)], name)

    assert drawn.svg.count("充电 $a_b$ &lt;i&gt;") == 4


def test_series_differ_by_more_than_colour() -> None:
    """As many patterns, marks and dashes as colours, so that grey tells them apart."""
    colours = len(re.findall("--s", hues()[0]))

    assert len(set(HATCHES)) == len(set(MARKERS)) == len(set(map(str, DASHES))) == colours


def test_colours_stand_out_from_the_paper() -> None:
    """Each series has the contrast of 3 that WCAG 2.1 asks of graphics, in light and in dark."""
    for variables, paper in zip(hues(), ("#ffffff", "#161616"), strict=True):
        for colour in re.findall(r"--s\d:(#\w+);", variables):
            high, low = sorted((light(colour), light(paper)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 3.0, (colour, paper)


def light(colour: str) -> float:
    """Relative luminance by WCAG 2.1."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_table_shows_units_and_rounds() -> None:
    """Units come off the names, numbers are rounded, what is absent is a dash, HTML is escaped."""
    made = Table([{"policy": "<near>", "mean_wait_min": 1.23456, "p95_wait_min": None}]).html()

    assert "mean wait (min)</th>" in made
    assert ">1.23<" in made
    assert "–" in made
    assert "&lt;near&gt;" in made


def test_table_without_rows_says_so() -> None:
    """An empty table is a sentence, not an error."""
    assert "no rows" in Table([], "Stations").html()


def test_table_in_markdown_keeps_its_cells() -> None:
    """A bar inside a cell does not open another."""
    assert Table([{"a": "x|y", "b": 2}]).markdown() == "| a | b |\n|---|---|\n| x\\|y | 2 |"


def test_report_tells_how_to_repeat_the_run_without_naming_the_machine(tmp_path: Path) -> None:
    """Command, seeds, versions and models are there; folders of the machine are not."""
    argv = ("pilewise", "city", "--data", f"{tmp_path}/a b.csv", f"--out={tmp_path}/x")

    text = page(report("Text & more.", argv=argv))

    assert "pilewise city --data &#x27;a b.csv&#x27; --out=x" in text
    assert str(tmp_path) not in text
    for fact in ("1–3", "950", "2026-03-01T08:00:00+00:00", "SHA-256 ab", "python", "numpy"):
        assert fact in text
    assert "Text &amp; more." in text
    assert "A day &lt;small&gt;" in text


def test_report_replaces_a_report_only(tmp_path: Path) -> None:
    """A later run takes the place of an earlier one; any other file of that name stays."""
    write(report("old"), tmp_path / "run")
    path = write(report("new"), tmp_path / "run")
    assert "new" in path.read_text()

    path.write_text("<html>my own</html>")
    with pytest.raises(ReportRefused, match="was not written as a report") as refused:
        write(report("newer"), tmp_path / "run")

    assert path.read_text() == "<html>my own</html>"
    assert "REPORT-002" in refused.value.in_words()
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_report_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    """A file in place of the folder is refused by the check beforehand too."""
    (tmp_path / "run").write_text("a file")

    with pytest.raises(ReportRefused):
        ready(tmp_path / "run")
    with pytest.raises(ReportRefused):
        write(report("x"), tmp_path / "run")


def test_figures_without_matplotlib_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the library and the extra that brings it."""
    monkeypatch.setattr(drawing, "find_spec", lambda name: None)

    with pytest.raises(FiguresUnavailable) as raised:
        bars("t", "d", [Bar("a", 1.0)], "x")

    assert "matplotlib" in raised.value.in_words()
    assert 'pip install "pilewise[city]"' in raised.value.in_words()


@pytest.mark.slow
def test_reports_load_matplotlib_only_to_draw() -> None:
    """A report of tables is written without it."""
    code = (
        "import sys; from city_sim.reports import Table, page, write; "
        "Table([{'a': 1}]).html(); assert 'matplotlib' not in sys.modules"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, timeout=60, capture_output=True, check=False
    )

    assert ran.returncode == 0, ran.stderr


def test_heat_of_the_wrong_shape_is_refused() -> None:
    """Values that do not fit their names are an error, not a crooked picture."""
    with pytest.raises(ValueError, match="names 1 × 2"):
        heat("t", "d", [[1.0, 2.0, 3.0]], ["a"], ["x", "y"], "load")
