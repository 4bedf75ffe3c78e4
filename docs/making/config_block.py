"""The commented file of a room, as `pilewise config init` writes it, for the page that shows it."""

from __future__ import annotations


def block(kind: str) -> str:
    """The whole file of `agent`, `coordinator` or `sim` as a block of TOML, Markdown."""
    from pilewise.cli import config_keys, config_page

    told = config_keys.schema_of(kind)
    text = config_page.page(kind, told["prefix"], config_keys.tables_of(told))
    return f"```toml\n{text.rstrip()}\n```"
