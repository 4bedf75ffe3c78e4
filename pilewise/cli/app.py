"""The tree of commands; each branch stands in a file of its own."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from pilewise.cli import (
    agent,
    agent_local,
    agent_profile,
    ask,
    city,
    config,
    coordinator,
    demo,
    dial,
    doctor,
    ending,
    explain,
    sim,
    train,
)
from pilewise.cli.examples import teach
from pilewise.cli.loudness import equip
from pilewise.cli.output import emit
from pilewise.version import __version__

app = typer.Typer(
    name="pilewise",
    help="Sends each electric car to a charging pile that will be free and working, and holds it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)


def _version_asked(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pilewise {__version__}")
        raise typer.Exit


agent_local.register(agent.app)
agent_profile.register(agent.app)
app.add_typer(agent.app, name="agent")
app.add_typer(coordinator.app, name="coordinator")
app.add_typer(sim.app, name="sim")
app.add_typer(ask.app, name="ask")
app.add_typer(city.app, name="city")
app.add_typer(train.app, name="train")
app.add_typer(config.app, name="config")


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Prints the version.", callback=_version_asked, is_eager=True
        ),
    ] = False,
) -> None:
    """Holds what every run begins with."""


app.command("doctor")(doctor.doctor)
app.command("explain")(explain.explain)


@app.command()
def version(json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Prints the version."""
    if json:
        emit({"version": __version__})
    else:
        typer.echo(f"pilewise {__version__}")


def command() -> Any:
    """The whole tree, with what every command has."""
    tree = typer.main.get_command(app)
    equip(tree)
    dial.equip(tree)
    teach(tree)
    _whole(tree)
    return tree


def _whole(command: Any) -> None:
    """Has the first sentence of each command below told whole in its list, however wide."""
    for inner in getattr(command, "commands", {}).values():
        inner.short_help = " ".join((inner.help or "").split("\n\n")[0].split())
        _whole(inner)


def run() -> None:
    """Runs the command line."""
    sys.exit(ending.run(command()))
