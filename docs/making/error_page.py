"""The page of errors: a section for each code, from the data that `pilewise explain` reads."""

from __future__ import annotations

from itertools import groupby

HEAD = """# Errors

An error is told as `error[CODE]: what is wrong`, with a note and a hint. Codes are stable, and one
code means the same in every room. `pilewise explain CODE` prints a section of this page, and
`pilewise explain` lists all. The texts stand in `pilewise/cli/errors/`; a test checks that every
code that is raised anywhere has one.
"""


def page() -> str:
    """The whole page, Markdown."""
    from pilewise.cli.explain import pages

    lines = [HEAD]
    for family, members in groupby(pages().values(), lambda one: one.code.split("-")[0]):
        lines += [f"## {family}", ""]
        for one in members:
            lines += [f"### {one.code}", "", f"**{one.says}** *({', '.join(one.rooms)})*", ""]
            lines += [f"- Cause: {one.cause}", f"- Fix: {one.fix}", ""]
    return "\n".join(lines).rstrip() + "\n"
