"""`pilewise city`: the laboratory, where policies are compared on the same cars.

The options of each command are in a file of their own.
"""

from __future__ import annotations

import typer

from pilewise.cli.city_compare import compare
from pilewise.cli.city_paper import paper
from pilewise.cli.city_replay import replay

app = typer.Typer(help="Compares ways of sending cars in a simulated city.", no_args_is_help=True)
app.command()(compare)
app.command()(paper)
app.command()(replay)
