"""Hashes: a repeatable pseudo-random order of studies, and digests that say whether data is the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.resources.abc import Traversable
from typing import Any

DIGITS = 16
"""Hexadecimal digits of a short digest: 64 bits of a SHA-256, enough to tell the settings of a run apart."""


def by_hash(study_ids: Iterable[int], *, seed: int | None = None) -> list[int]:
    """Returns studies in the order of a hash (SHA-256) of their numbers: as good as random, and repeatable.

    Args:
        seed: each seed gives a different order; so does None.
    """
    prefix = "" if seed is None else f"{seed} "
    return sorted(study_ids, key=lambda study_id: hashlib.sha256(f"{prefix}{study_id}".encode()).digest())


def digest_of_json(value: Any) -> str:
    """Returns a short digest of a JSON value; the order of the keys of an object does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:DIGITS]


def digest_of_files(files: Mapping[str, Traversable]) -> str:
    """Returns a short digest of data files: of their names, as given, and of their bytes.

    The files are loaded at each call, so that an edited file is noticed.
    """
    digest = hashlib.sha256()
    for name, file in files.items():
        content = file.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:DIGITS]
