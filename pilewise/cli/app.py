"""The tree of commands; each branch stands in a file of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from pilewise.cli import agent, agent_local, agent_profile, ask, city, coordinator, demo, sim, train
from pilewise.cli.output import emit
from pilewise.version import __version__

app = typer.Typer(
    name="pilewise",
    help="Sends each electric car to a charging pile that will be free and working, and holds it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
agent_local.register(agent.app)
agent_profile.register(agent.app)
app.add_typer(agent.app, name="agent")
app.add_typer(coordinator.app, name="coordinator")
app.add_typer(sim.app, name="sim")
app.add_typer(ask.app, name="ask")
app.add_typer(city.app, name="city")
app.add_typer(train.app, name="train")


@app.command()
def version(json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Prints the version."""
    if json:
        emit({"version": __version__})
    else:
        typer.echo(f"pilewise {__version__}")


def run() -> None:
    """Runs the command line."""
    app()
