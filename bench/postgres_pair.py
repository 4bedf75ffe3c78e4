"""A primary PostgreSQL and a standby that confirms each commit, as a shared ledger needs them.

The servers themselves are in `postgres_cluster.py`.
"""

from __future__ import annotations

import time
from typing import Any, Final

from bench.postgres_cluster import READY_S, ROLE, Cluster
from coordinator.store.postgres_door import driver

STANDBY: Final = "standby"


class Pair:
    """Two servers; what the first acknowledges is on the disk of the second."""

    def __init__(self, *, durable: bool = False) -> None:
        self.primary, self.standby = Cluster(durable=durable), Cluster(durable=durable)

    @property
    def dsn(self) -> str:
        """Both, for a client that takes whichever may be written."""
        ports = f"{self.primary.port},{self.standby.port}"
        return f"host=127.0.0.1,127.0.0.1 port={ports} dbname=postgres user={ROLE}"

    def start(self) -> None:
        """Makes both; returns when the standby confirms."""
        self.primary.make()
        self.primary.start()
        self.standby.copy_of(self.primary, STANDBY)
        self.standby.start("hot_standby=on")
        self._primary("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (standby)'")
        self._primary("SELECT pg_reload_conf()")
        self.wait()

    def wait(self) -> None:
        """Returns when commits wait for the standby, and it is there."""
        query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"
        end_s = time.monotonic() + READY_S
        while self._primary(query)[0][0] == 0:
            if time.monotonic() > end_s:
                raise TimeoutError("the standby does not confirm")
            time.sleep(0.05)

    def lose_standby(self) -> None:
        """The standby goes down."""
        self.standby.stop()

    def find_standby(self) -> None:
        """The standby comes back."""
        self.standby.start("hot_standby=on")

    def fail_over(self) -> None:
        """The primary is killed, the standby takes its place."""
        self.primary.kill()
        self.standby.promote()

    def fail_over_after(self, seconds: float) -> None:
        """The same, where it takes somebody so long to notice."""
        self.primary.kill()
        time.sleep(seconds)
        self.standby.promote()

    def claims(self) -> set[str]:
        """The claims that the standby has."""
        with driver().connect(self.standby.dsn(), autocommit=True) as connection:
            rows = connection.execute("SELECT claim_id FROM pilewise.claim").fetchall()
        return {name for (name,) in rows}

    def remove(self) -> None:
        """Ends both, and removes what they wrote."""
        self.primary.remove()
        self.standby.remove()

    def _primary(self, statement: str) -> list[Any]:
        connection = driver().connect(self.primary.dsn(), autocommit=True)
        with connection:
            cursor = connection.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
