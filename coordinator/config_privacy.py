"""The section `[privacy]`: how long is known what a person asked, and whose a session was.

Other sections are in `config.py`; who forgets is in `usecases/retention.py`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

DAY_S = 86_400.0
Days = Annotated[float, msgspec.Meta(gt=0)]


class PrivacySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days of domain time."""

    # Requests, answers and what drivers said of them.
    requests_days: Days = 30.0
    # Whose a session was; the reading of the pile stays.
    sessions_days: Days = 365.0

    @property
    def requests_s(self) -> float:
        """The same in seconds."""
        return self.requests_days * DAY_S

    @property
    def sessions_s(self) -> float:
        """The same in seconds."""
        return self.sessions_days * DAY_S
