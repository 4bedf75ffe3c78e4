"""Why an agent may not speak here. Part of the tree in `errors.py`; AUTH-001 is of single records.

AgentBarred
├── NotEnrolled       AUTH-010  no certificate was shown
├── ForeignDistrict   AUTH-012  its certificate is for another district
└── IdentityMismatch  AUTH-013  it says that it is another agent than its certificate says
"""

from __future__ import annotations

from coordinator.errors import Permanent


class AgentBarred(Permanent):
    """An agent that may not speak here until somebody changes something."""


class NotEnrolled(AgentBarred):
    """The caller showed no agent's certificate."""

    code = "AUTH-010"
    hint = "enrol it, and let agent.coordinator name the agents' own port (tls.agents_listen)"

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"agent {agent_id} showed no certificate")


class ForeignDistrict(AgentBarred):
    """The certificate names another district."""

    code = "AUTH-012"
    hint = "let agent.coordinator name the coordinator of its own district, or enrol it here"

    def __init__(self, agent_id: str, theirs: str, ours: str) -> None:
        super().__init__(f"agent {agent_id} is of district {theirs}, this is {ours}")


class IdentityMismatch(AgentBarred):
    """The hello names another agent than the certificate."""

    code = "AUTH-013"
    hint = "give agent.id the name that its certificate has, or enrol it under the new one"

    def __init__(self, said: str, proved: str) -> None:
        super().__init__(f"it says that it is agent {said}, its certificate is of {proved}")
