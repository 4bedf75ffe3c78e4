"""docs/profiles.md names every model with its doubts, and every key of a profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.__main__ import main
from edge_agent.core.profile import FACT_FIELDS, VALUE_FIELDS
from edge_agent.core.profile_access_file import MODBUS_KEYS
from edge_agent.core.profile_file import TOP_KEYS
from edge_agent.core.profile_points import KINDS, POINT_KEYS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "profiles.md").read_text()


def test_table_of_models_is_that_of_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    """The table is what `profile list --markdown` prints."""
    main(["profile", "list", "--markdown"])

    assert PAGE.endswith(capsys.readouterr().out)


# `transport` is short for one of `transports`; `settings` are wishes to OCPP stations.
KEYS = {*TOP_KEYS, *MODBUS_KEYS, *POINT_KEYS, *KINDS, *VALUE_FIELDS, *FACT_FIELDS}


@pytest.mark.parametrize("key", sorted(KEYS - {"transport", "settings", "note"}))
def test_every_key_of_a_profile_is_documented(key: str) -> None:
    """Each table, key, kind and field stands in the page."""
    assert any(text in PAGE for text in (f"`{key}`", f"[{key}]", f"[[{key}]]", f"[{key}.NAME]"))
