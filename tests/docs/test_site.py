"""The documents as pages: none is left out, nothing is fetched from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from pilewise.cli.config_keys import ROOMS, schema_of, tables_of
from pilewise.cli.explain import pages

ROOT = Path(__file__).resolve().parents[2]
LOADED = re.compile(r"<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=\"([^\"]+)\"")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages, built with warnings as errors."""
    pytest.importorskip("furo", reason="hint: pip install .[docs]")
    folder = tmp_path_factory.mktemp("site")
    command = ("-m", "sphinx", "-b", "html", "-W", "-q", "docs", str(folder))
    built = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.slow
def test_every_document_is_a_page(site: Path) -> None:
    """Each file under docs/ is reached from the first page."""
    sources = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "contract").glob("*.md")]
    pages = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}

    missing = [
        path for path in sources if path.relative_to(ROOT / "docs").with_suffix("") not in pages
    ]
    assert len(sources) > 25
    assert missing == []


@pytest.mark.slow
def test_pages_ask_no_other_host(site: Path) -> None:
    """They can be read from a disk, on a gateway without a network."""
    loaded = {
        target
        for page in site.rglob("*.html")
        for target in LOADED.findall(page.read_text())
        if "://" in target or target.startswith("//")
    }

    assert loaded == set()


@pytest.mark.slow
def test_contract_is_shown_whole(site: Path) -> None:
    """A page of the contract has the messages of its file."""
    text = re.sub(r"<[^>]+>", "", (site / "contract" / "charging.html").read_text())

    for word in ("message RecommendRequest", "message Promise", "rpc Guide"):
        assert word in text


@pytest.mark.slow
def test_each_error_has_a_page_of_its_own(site: Path) -> None:
    """A code leads to one page with its cause and what to do, and from there to all of them."""
    codes = pages()
    everything = (site / "errors.html").read_text()

    assert {path.stem for path in (site / "errors").glob("*.html")} == set(codes)
    for code, one in codes.items():
        page = (site / "errors" / f"{code}.html").read_text()
        text = unescape(re.sub(r"<[^>]+>", "", page))
        assert f"<h1>{code}</h1>" in page
        assert f"<title>{code} - Pilewise" in page
        assert one.fix.replace("`", "") in text
        assert f'href="../errors.html#{code.lower()}"' in page
        assert f'id="{code.lower()}"' in everything


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(ROOMS))
def test_every_key_of_a_configuration_is_shown(site: Path, kind: str) -> None:
    """The page of configuration files has each table and key of the room, with its sentence."""
    text = unescape(re.sub(r"<[^>]+>", "", (site / "config.html").read_text()))
    words = " ".join(text.replace("\n#", " ").split())

    tables = tables_of(schema_of(kind))
    assert len(tables) >= 2
    for table in tables:
        assert f"[{table.path}]" in text
        for key in table.keys:
            assert f"{key.name} = " in text
            assert " ".join(key.about.split()) in words
