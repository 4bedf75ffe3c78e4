"""How the documents become pages: `tox -e docs` builds them with warnings as errors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pygments.lexers.special import TextLexer

from pilewise.version import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "Pilewise"
release = version = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "examples/**", "making/**", "monitoring/**"]
nitpicky = True
# Generated messages and gRPC's own classes are shown where they are defined.
nitpick_ignore_regex = [
    (r"py:.*", r"(grpc|pb|nouns|rpc|asyncio|pilewise\.v1|collections|Path|TokenSource)\b.*")
]
autodoc_member_order = "bysource"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"Pilewise {__version__}"
# Pages work from a disk and ask no other host for anything.
html_theme_options = {"source_edit_link": "", "source_view_link": ""}
html_copy_source = False
html_show_sphinx = html_show_copyright = False


def error_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each error code; its section on the page of all says the same."""
    from making import error_page

    for code, body in error_page.each():
        yield f"errors/{code}", {"title": code, "body": body}, "page.html"


def setup(app: Sphinx) -> None:
    """Topics with payloads are plain text; tests read such blocks by their names."""
    app.connect("html-collect-pages", error_pages)
    sys.path.insert(0, str(Path(app.srcdir)))
    for name in ("mqtt", "mqttrefused"):
        app.add_lexer(name, TextLexer)
