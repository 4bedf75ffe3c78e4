"""Why an agent may not speak here. Part of the tree in `errors.py`; AUTH-001 is of single records.

Permanent
├── AgentBarred
│   ├── NotEnrolled            AUTH-010  no certificate was shown
│   ├── AgentRevoked           AUTH-011  it was shut out
│   ├── ForeignDistrict        AUTH-012  its certificate is for another district
│   ├── IdentityMismatch       AUTH-013  it says that it is another agent than its certificate
│   ├── CertificateSuperseded  AUTH-014  another gateway was enrolled under its name since
│   └── TokenRefused           AUTH-015  this token enrols nobody
├── NoAuthority                AUTH-016  this district issues no certificates
└── AuthorityUnusable          AUTH-017  the folder of the authority cannot be used
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


class AgentRevoked(AgentBarred):
    """An operator shut the agent out."""

    code = "AUTH-011"
    hint = "enrol it anew with a token of the operator"

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"agent {agent_id} was shut out")


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


class CertificateSuperseded(AgentBarred):
    """Another enrolment under this name was made since this certificate's."""

    code = "AUTH-014"
    hint = "one gateway, one name: enrol this one under a name of its own, or anew"

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"agent {agent_id} was enrolled anew, and this certificate is of before")


class TokenRefused(AgentBarred):
    """This token enrols nobody here; the words are the same whatever is wrong with it."""

    code = "AUTH-015"
    hint = "ask the operator for a new one: pilewise coordinator agents token AGENT"

    def __init__(self) -> None:
        super().__init__("the bootstrap token is not good for this agent")


class NoAuthority(Permanent):
    """This district issues no certificates."""

    code = "AUTH-016"
    hint = "set enrolment.ca_dir, or give the agent a certificate by hand"

    def __init__(self) -> None:
        super().__init__("this coordinator has no authority that could issue certificates")


class AuthorityUnusable(Permanent):
    """The folder of an authority cannot be used, or not so."""

    code = "AUTH-017"

    def __init__(self, path: str, why: str, hint: str = "make one: pilewise coordinator ca init"):
        super().__init__(f"{path}: {why}")
        self.hint = hint
