"""`{configuration}`: the commented file of a room, as `pilewise config init` writes it.

Made while the documents are built, so that it is of this version.
"""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive


class Configuration(Directive):  # type: ignore[misc, unused-ignore]
    """One argument: agent, coordinator or sim."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The whole file as a block of TOML."""
        from pilewise.cli import config_keys, config_page

        (kind,) = self.arguments
        told = config_keys.schema_of(kind)
        text = config_page.page(kind, told["prefix"], config_keys.tables_of(told))
        return [nodes.literal_block(text, text, language="toml")]
