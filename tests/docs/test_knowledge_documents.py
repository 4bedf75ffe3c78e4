"""Every setting of the knowledge map is documented with its default."""

from __future__ import annotations

from pathlib import Path

from coordinator.config import KnowledgeSection

PAGE = Path(__file__).resolve().parents[2] / "docs" / "knowledge.md"


def test_every_setting_of_the_knowledge_map_is_documented() -> None:
    """The table names each key of the section and no other."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    named = [name.strip(" `") for row in rows for name in row.split("|")[1].split(",")]

    assert sorted(named) == sorted(KnowledgeSection.__struct_fields__)
