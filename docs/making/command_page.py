"""The page of the command line: its tree, and every command with its options.

Read from the commands, not from their printed help, which depends on the width of the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Every command has them; they stand once, above.
EVERYWHERE = {"verbose", "quiet", "help"}


def commands() -> str:
    """The tree, and every command with its options, Markdown."""
    from pilewise.cli.app import command
    from pilewise.cli.examples import examples

    tree = command()
    lines = ["## The tree", "", "```text", *branches(tree, "pilewise"), "```", ""]
    for path, leaf in leaves(tree, "pilewise"):
        lines += [f"## `{path}`", "", told(leaf), ""]
        if typed := examples().get(path.removeprefix("pilewise "), []):
            lines += ["```sh", *typed, "```", ""]
        if rows := [row(one) for one in leaf.params if one.name not in EVERYWHERE]:
            lines += ["| Word | Meaning | Default |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(lines).rstrip()


def branches(group: Any, path: str) -> Iterator[str]:
    """A line for each group: its commands; groups in it have a line of their own below."""
    inner = group.commands
    words = [name for name, one in inner.items() if not hasattr(one, "commands")]
    words += [f"{name} ..." for name, one in inner.items() if hasattr(one, "commands")]
    yield f"{path:<28} {' | '.join(words)}"
    for name, one in inner.items():
        if hasattr(one, "commands"):
            yield from branches(one, f"{path} {name}")


def leaves(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with the words that lead to it."""
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from leaves(one, f"{path} {name}")
        elif not one.hidden:
            yield f"{path} {name}", one


def told(leaf: Any) -> str:
    """What a command says it does."""
    return " ".join((leaf.help or "").split())


def row(one: Any) -> str:
    """A line of the table: the word, its meaning, its default."""
    argument = one.param_type_name == "argument"
    words = one.name.upper() if argument else ", ".join([*one.opts, *one.secondary_opts])
    meaning = " ".join((getattr(one, "help", None) or "").split()).replace("|", "\\|")
    return f"| `{words}` | {meaning} | {_default(one)} |"


def _default(one: Any) -> str:
    if one.required:
        return "needed"
    value = one.default
    if value is None or value == "" or value is False or value == () or value == []:
        return ""
    if value is True:
        return f"`{one.opts[0]}`"
    return f"`{value}`"
