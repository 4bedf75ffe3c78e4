"""The page of the command line: its tree, and every command with its options.

Read from the commands, not from their printed help, which depends on the width of the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

HEAD = """# The command line

`pilewise` with a word or two; `-h` after any of them tells its options. This page is made from the
commands by `python docs/generate.py`, and a test checks that it is current.

## Habits of every command
- `--json`: exactly one compact JSON object, the last line of stdout. All else goes to stderr, so
  `pilewise ... --json | tail -1` is always safe to read. Files and pages go to stdout as they are.
- `-v`, `--verbose` says more (rooms log at debug), `-q`, `--quiet` tells results and errors only.
- `-c`, `--config` names the configuration file.
- `NO_COLOR` turns colours off; without a terminal there are none, and no progress either. On a
  terminal whatever takes longer than two seconds says what it does and for how long.
- Help ends with an example. `pilewise ... | head -1` ends quietly.
- `PILEWISE_TARGET` is the coordinator that `--target` means.
- Keys of a configuration file can be set by the environment, which goes before the file:
  `PILEWISE_AGENT__UPLINK__BEAT_S=30`, likewise `PILEWISE_COORDINATOR__...` and `PILEWISE_SIM__...`.
  `pilewise config show --origin` tells what holds and where it comes from.
- `pilewise --install-completion` completes words in bash, zsh, fish and PowerShell.
- A wrong word ends with a hint: what was meant, and where to look.

| Exit code | Meaning |
| --- | --- |
| 0 | done |
| 1 | failed: something was done or looked at, and it is not well |
| 2 | wrong usage: options or arguments |
| 3 | mistakes in a configuration or another file; all of them are told at once |
| 4 | unreachable: nobody answers there |
| 5 | partial: some of it was done, or no pile could be given |
| 130 | stopped with Ctrl-C |

Errors read `error[CODE]: what is wrong`, with a note and a hint; `pilewise explain CODE`
tells more, and so does [the page of all codes](errors.md).
"""
# Every command has them; they stand once, above.
EVERYWHERE = {"verbose", "quiet", "help"}


def page() -> str:
    """The whole page, Markdown."""
    from pilewise.cli.app import command
    from pilewise.cli.examples import examples

    tree = command()
    lines = [HEAD, "## The tree", "", "```text", *branches(tree, "pilewise"), "```", ""]
    for path, leaf in leaves(tree, "pilewise"):
        lines += [f"## `{path}`", "", told(leaf), ""]
        if typed := examples().get(path.removeprefix("pilewise "), []):
            lines += ["```sh", *typed, "```", ""]
        if rows := [row(one) for one in leaf.params if one.name not in EVERYWHERE]:
            lines += ["| Word | Meaning | Default |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(lines).rstrip() + "\n"


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
