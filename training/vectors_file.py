"""Given feature vectors of users, from a CSV file: labels for the patent's other way to train.

user_id,v0,v1,...      as many numbers as there are, up to the width of a portrait
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coordinator.core.pile import User
from coordinator.models.portrait import WIDTH
from training.sources.files import Column, Schema, SourceInvalid, header, rows
from training.sources.quality import Quality

FEWEST = 20


def read_vectors(path: Path, users: Sequence[User]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Rows of `users` and the vector of each, (n,) and (n, numbers); others are left out.

    Raises `SourceInvalid` for a file without numbers, with too many, or of other users.
    """
    names = [name for name in header(path) if name != "user_id"]
    if not 1 <= len(names) <= WIDTH:
        raise SourceInvalid(
            path, f"has {len(names)} columns beside user_id", f"give 1 to {WIDTH} numbers a user"
        )
    numbers = [Column(name, "number") for name in names]
    schema = Schema("vectors", (Column("user_id"), *numbers), key=("user_id",))
    row_of = {user.user_id: row for row, user in enumerate(users)}
    found = {
        row_of[row["user_id"]]: [row[name] for name in names]
        for row in rows(path, schema, Quality())
        if row["user_id"] in row_of
    }
    if len(found) < FEWEST:
        raise SourceInvalid(
            path,
            f"has vectors of {len(found)} known users, {FEWEST} are needed",
            "name users of the sessions, or of the generated city: U00000, U00001, ...",
        )
    vectors = np.array(list(found.values()), dtype=np.float32)
    if not np.isfinite(vectors).all():
        raise SourceInvalid(path, "has a number that is not finite", "leave out such users")
    return np.array(list(found), dtype=np.intp), vectors
