"""What stands in the way of a backup, or of a restore; nothing was changed then."""

from __future__ import annotations

from coordinator.errors import Permanent


class BackupFailed(Permanent):
    """No backup was written."""

    code = "STORE-020"

    def __init__(self, path: str, why: str, hint: str = "") -> None:
        super().__init__(f"no backup at {path}: {why}")
        self.hint = hint


class BackupUnusable(Permanent):
    """The file is no whole backup that this version can take."""

    code = "STORE-021"

    def __init__(self, path: str, why: str, hint: str = "restore another backup") -> None:
        super().__init__(f"{path} cannot be restored: {why}")
        self.hint = hint


class RestoreRefused(Permanent):
    """The data directory cannot take a backup."""

    code = "STORE-022"
    hint = "name a data_dir that is empty or not there yet; move what is in it away"

    def __init__(self, directory: str, why: str) -> None:
        super().__init__(f"nothing restored into {directory}: {why}")


class HalfRestored(Permanent):
    """A restore into this directory did not end."""

    code = "STORE-023"
    hint = "run `pilewise coordinator restore FILE` again; it begins anew"

    def __init__(self, directory: str) -> None:
        super().__init__(f"a restore into {directory} was broken off")
