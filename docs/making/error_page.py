"""The page of errors, and one of its own for each code, from what `pilewise explain` reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby


def every() -> str:
    """A section for each code, by family, Markdown."""
    from pilewise.cli.explain import pages

    lines: list[str] = []
    for family, members in groupby(pages().values(), lambda one: one.code.split("-")[0]):
        lines += [f"## {family}", ""]
        for one in members:
            lines += [f"### {one.code}", "", f"**{one.says}** *({', '.join(one.rooms)})*", ""]
            lines += [f"- Cause: {one.cause}", f"- Fix: {one.fix}", ""]
    return "\n".join(lines).rstrip()


def each() -> Iterator[tuple[str, str]]:
    """(code, HTML) of every code, for a page of its own that a message or a search can lead to."""
    from pilewise.cli.explain import pages

    for one in pages().values():
        text = (
            f"<h1>{one.code}</h1>\n"
            f"<p><strong>{_html(one.says)}</strong> ({', '.join(one.rooms)})</p>\n"
            f"<ul>\n<li>Cause: {_html(one.cause)}</li>\n<li>Fix: {_html(one.fix)}</li>\n</ul>\n"
            f"<p>On a terminal: <code>pilewise explain {one.code}</code>. "
            f'<a href="../errors.html#{one.code.lower()}">All errors</a></p>\n'
        )
        yield one.code, text


def _html(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
