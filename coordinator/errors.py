"""What can go wrong in a coordinator, split by what the caller should do.

    CoordinatorError
    ├── Retryable              the same call may succeed later
    │   ├── StoreUnavailable     STORE-001  the disk or the database refused
    │   ├── StoreClosed          STORE-002  the process is going down
    │   ├── FenceBehind          STORE-003  the store is older than what agents know (fences.py)
    │   ├── Overloaded           LOAD-001   too much work is waiting
    │   ├── DeadlinePassed, ReaderTooSlow, GoingDown  LOAD-002…004 (usecases/refusals.py)
    │   ├── AgentOffline         LINK-001   no stream of the agent is open
    │   └── DirectiveUnanswered  LINK-002   the agent did not answer in time
    └── Permanent              the call must change first
        ├── ConfigInvalid        CFG-001…   problems of a configuration file
        ├── DirectoryBusy        STORE-010  another process owns the data directory
        ├── StoreTooNew          STORE-011  written by a newer version
        ├── DirectoryUnusable    STORE-012  the data directory cannot be made or written
        ├── AddressRefused       NET-011    cannot listen there
        ├── FieldInvalid         DATA-001   one or more fields of a message
        ├── BatchRagged          DATA-002   columns of a batch differ in length
        ├── MessageTooLarge      DATA-011   too many bytes (usecases/refusals.py)
        ├── ClockMismatch        LINK-010   agent and coordinator live in different times
        ├── AgentDoubled         LINK-012   another gateway reports under this agent id
        ├── DirectiveRefused     LINK-013   the agent would not do it
        ├── ProtocolBroken       LINK-011   messages in an order that makes no sense
        ├── NotFound             DATA-010   no such thing
        ├── AgentBarred          AUTH-010…  an agent that may not speak here (auth_errors.py)
        ├── PromiseLost          CLAIM-001  what was promised is no longer held
        ├── BundleRefused        MODEL-001  a model bundle is missing, or wrong, or too much
        │   └── BundleUntrusted    MODEL-002  nobody trusted vouches for it (models/refusals.py)
        ├── KeyUnusable          MODEL-003  a key cannot sign or check bundles (models/refusals.py)
        └── ImportInvalid        IMP-001    problems of an imported file

STORE-013…: `store/postgres_refusals.py`, AUTH-020…: `denials.py`, PRIV-001…:
`usecases/privacy_refusals.py`. On the wire: `rpc/errors.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class CoordinatorError(Exception):
    """Base of all errors of this room; `code` is stable and documented."""

    code: ClassVar[str] = "COORD-000"
    hint: str = ""


class Retryable(CoordinatorError):
    """The same call may succeed later; `retry_after_s` says when to try."""

    retry_after_s: float = 1.0


class Permanent(CoordinatorError):
    """The call must change before it can succeed."""


class StoreUnavailable(Retryable):
    """The disk or the database refused; nothing of the work was stored."""

    code = "STORE-001"

    def __init__(self, store: str, why: str) -> None:
        super().__init__(f"store {store} is unavailable: {why}")
        self.store = store
        self.why = why


class StoreClosed(Retryable):
    """The store takes no more work, because the process is going down."""

    code = "STORE-002"
    retry_after_s = 5.0

    def __init__(self, store: str) -> None:
        super().__init__(f"store {store} is closed")
        self.store = store


class Overloaded(Retryable):
    """Too much work is waiting."""

    code = "LOAD-001"

    def __init__(self, what: str, waiting: int, limit: int, retry_after_s: float = 1.0) -> None:
        super().__init__(f"{what}: {waiting} waiting, at most {limit}")
        self.retry_after_s = retry_after_s


class AgentOffline(Retryable):
    """No stream of the agent that speaks for this EVSE is open."""

    code = "LINK-001"
    retry_after_s = 10.0

    def __init__(self, evse_id: str, agent_id: str) -> None:
        speaker = f"agent {agent_id}" if agent_id else "an agent"
        super().__init__(f"{evse_id}: {speaker} is not connected")
        self.evse_id = evse_id
        self.agent_id = agent_id


class DirectiveUnanswered(Retryable):
    """The agent did not say in time what became of a directive."""

    code = "LINK-002"

    def __init__(self, evse_id: str, timeout_s: float) -> None:
        super().__init__(f"{evse_id}: no answer to the directive within {timeout_s:g} s")
        self.evse_id = evse_id


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where, what, why, and what to do."""

    code: str
    where: str
    message: str
    note: str = ""
    hint: str = ""

    def render(self) -> str:
        """The problem as people read it, over one to three lines."""
        lines = [f"error[{self.code}]: {self.where}: {self.message}"]
        if self.note:
            lines.append(f"  = note: {self.note}")
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class FileInvalid(Permanent):
    """A file with problems, all named at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(problem.render() for problem in problems))
        self.problems = tuple(problems)


class ConfigInvalid(FileInvalid):
    """A configuration file cannot be used."""

    code = "CFG-001"


class ImportInvalid(FileInvalid):
    """An imported file cannot be used."""

    code = "IMP-001"


class BundleRefused(Permanent):
    """A model bundle is missing, damaged, or does not fit this version; nothing was loaded."""

    code = "MODEL-001"

    def __init__(self, file: str, why: str, hint: str) -> None:
        super().__init__(f"{file}: {why}")
        self.file = file
        self.why = why
        self.hint = hint


class DirectoryBusy(Permanent):
    """Another process owns the data directory."""

    code = "STORE-010"
    hint = "stop the other coordinator, or give this one its own data_dir"

    def __init__(self, directory: str, owner: str) -> None:
        super().__init__(f"{directory} is in use by {owner or 'another process'}")
        self.directory = directory


class StoreTooNew(Permanent):
    """The store was written by a newer version of this software."""

    code = "STORE-011"
    hint = "run the newer version, or restore the backup made before the upgrade"

    def __init__(self, store: str, unknown: Sequence[str]) -> None:
        super().__init__(f"store {store} has changes unknown here: {', '.join(unknown)}")
        self.store = store


class AddressRefused(Permanent):
    """The server cannot listen at this address."""

    code = "NET-011"

    def __init__(self, address: str, why: str) -> None:
        super().__init__(f"cannot listen at {address}: {why}")
        self.address = address


class DirectoryUnusable(Permanent):
    """The data directory cannot be made, or nothing can be written there."""

    code = "STORE-012"
    hint = "name a directory that this user can write"

    def __init__(self, directory: str, why: str) -> None:
        super().__init__(f"{directory} cannot hold the data: {why}")
        self.directory = directory


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field of a message and what is wrong with it."""

    field: str
    message: str


class FieldInvalid(Permanent):
    """One or more fields of a message are wrong; all are named."""

    code = "DATA-001"

    def __init__(self, *faults: FieldFault) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))
        self.faults = faults


class BatchRagged(Permanent):
    """Columns of a batch differ in length; the batch is refused whole."""

    code = "DATA-002"

    def __init__(self, field: str, expected: int, seen: int) -> None:
        super().__init__(f"{field} has {seen} entries, expected {expected}")
        self.field = field


class ClockMismatch(Permanent):
    """Agent and coordinator were given different domain clocks."""

    code = "LINK-010"
    hint = "give both the same [clock] section; at speed 1 leave it out"

    def __init__(self, agent_id: str, theirs: str, ours: str) -> None:
        super().__init__(f"agent {agent_id} runs on clock {theirs}, this district on {ours}")
        self.agent_id = agent_id


class AgentDoubled(Permanent):
    """Another gateway, with another spool, reports under this agent id just now."""

    code = "LINK-012"
    hint = "give each gateway an agent.id of its own"

    def __init__(self, agent_id: str, present: str) -> None:
        super().__init__(f"agent {agent_id} is connected from another gateway ({present})")
        self.agent_id = agent_id


class DirectiveRefused(Permanent):
    """The agent, or the pile, would not do it; the message is its own word."""

    code = "LINK-013"

    def __init__(self, what: str, outcome: str, message: str) -> None:
        super().__init__(f"{what}: {outcome}: {message}")
        self.outcome = outcome


class ProtocolBroken(Permanent):
    """Messages came in an order that the contract does not allow."""

    code = "LINK-011"

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(f"expected {expected}, got {seen}")


class NotFound(Permanent):
    """There is no such thing."""

    code = "DATA-010"

    def __init__(self, what: str, identifier: str) -> None:
        super().__init__(f"no {what} {identifier!r}")
        self.what = what
        self.identifier = identifier


class PromiseLost(Permanent):
    """What was promised is no longer held for this car; `why` is a stable word."""

    code = "CLAIM-001"
    hint = "ask for a new recommendation"

    def __init__(self, recommendation_id: str, why: str) -> None:
        super().__init__(f"recommendation {recommendation_id}: nothing is held any more ({why})")
        self.recommendation_id = recommendation_id
        self.why = why
