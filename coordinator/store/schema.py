"""Tables of telemetry.db and how they came to be; claims keep their own file and their own tables.

spool ──┬── batch      rows as received: one row a batch, never one a record
        ├── gap        record numbers lost for good
        └── refusal    rows refused, with code
evse_state             the newest picture of each EVSE and what its rows have taught
session                a car at an EVSE, from plug-in to plug-out, and whose it was
request                what cars asked and were told, one compressed row each, for a month
context                the surroundings: the newest value of each name and cell
pile_fact              what was known of a pile as a device, since when, until when, who said so
agent_pile             who speaks for a pile, since when, until when
agent ── agent_certificate   who was enrolled or shut out; what its authority gave it
bootstrap_token        one-time tokens that are out, by their hash
station tariff user road outage retired   as imported, one JSON document each
owner                  in which epoch the file is: see `file_epoch.py`; one row
knowledge              updates of the knowledge map so far, settings an operator changed; one row
"""

from __future__ import annotations

from typing import Any

from sqlite_utils import Migrations

from coordinator.store import agents, context, file_epoch, owners, requests, sessions
from coordinator.usecases.telemetry import STATE_COLUMNS

telemetry = Migrations("telemetry")

DOCUMENTS = ("station", "tariff", "user", "road", "outage", "retired", "knowledge")


def _readings(db: Any) -> None:
    """Batches, what is settled of their spools, and what they have made of the picture."""
    _spools(db)
    _states(db)


def _spools(db: Any) -> None:
    db["spool"].create(
        {"spool_id": str, "agent_id": str, "settled": str, "updated_at_ms": int}, pk="spool_id"
    )
    # The payload comes last, so that counting does not read it.
    db["batch"].create(
        {
            "batch": int,
            "spool_id": str,
            "first_seq": int,
            "last_seq": int,
            "record_count": int,
            "received_at_ms": int,
            "payload": bytes,
        },
        pk="batch",
    )
    db["gap"].create(
        {
            "gap": int,
            "spool_id": str,
            "first_seq": int,
            "last_seq": int,
            "reason": str,
            "from_at_ms": int,
            "to_at_ms": int,
        },
        pk="gap",
    )
    db["refusal"].create(
        {
            "refusal": int,
            "spool_id": str,
            "record_seq": int,
            "code": str,
            "field": str,
            "message": str,
            "received_at_ms": int,
        },
        pk="refusal",
    )


def _states(db: Any) -> None:
    db["evse_state"].create(dict(STATE_COLUMNS), pk="evse_id")
    db["checkpoint"].create({"checkpoint": int, "through_batch": int}, pk="checkpoint")
    db["session"].create(
        {
            "evse_id": str,
            "started_at_s": float,
            "start_energy_kwh": float,
            "start_soc_pct": float,
            "ended_at_s": float,
            "energy_kwh": float,
            "end_soc_pct": float,
            "ended_by_fault": int,
        },
        pk=("evse_id", "started_at_s"),
    )


def _lists(db: Any) -> None:
    """Owners, and what operators import."""
    db["agent_pile"].create(
        {"pile_id": str, "agent_id": str, "valid_from_s": float, "valid_to_s": float},
        pk=("pile_id", "valid_from_s"),
    )
    for name in ("station", "tariff", "user", "road"):
        db[name].create({"key": str, "body": bytes}, pk="key")


def _outages(db: Any) -> None:
    """What operators take out of service on purpose."""
    db["outage"].create({"key": str, "body": bytes}, pk="key")


def _retired(db: Any) -> None:
    """Piles that were scrapped."""
    db["retired"].create({"key": str, "body": bytes}, pk="key")


def _facts(db: Any) -> None:
    """The history of what piles are."""
    db["pile_fact"].create(
        {
            "pile_id": str,
            "field": str,
            "value": str,
            "source": str,
            "valid_from_s": float,
            "valid_to_s": float,
        }
    )
    db["pile_fact"].create_index(["pile_id", "field", "valid_to_s"])


def _knowledge(db: Any) -> None:
    """What outlives a knowledge map."""
    db["knowledge"].create({"key": str, "body": bytes}, pk="key")


for _name, _migration in (
    ("0001_readings", _readings),
    ("0002_lists", _lists),
    ("0003_outages", _outages),
    ("0004_facts", _facts),
    ("0005_sessions", sessions.migrate),
    ("0005b_requests", requests.migrate),
    ("0005c_context", context.migrate),
    ("0005d_retired", _retired),
    ("0006_promised_sessions", sessions.add_promises),
    ("0007_knowledge", _knowledge),
    ("0010_agents", agents.migrate),
    ("0010b_owners", owners.migrate),
    ("0013_owner", file_epoch.migrate),
):
    telemetry(name=_name)(_migration)
