"""A partition: a table, or the division of one that one set of settings makes, and what identifies it.

    tables/<table>/<division>/config.json                what it is made from: its identity
                                part-00000.parquet ...   immutable, a fixed set of keys each
                                done                     written last: rows, parts and digests of the content

This module knows names and identities; `state` knows what is on disk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from laudo.hashing import digest_of_json
from laudo.store.tables import Table

FORMAT = 2
"""The form of `config.json` and `done`. Format 1 (laudo before 0.1) identified inputs by their settings."""


@dataclass(frozen=True)
class Partition:
    """A table, or the division of one that one set of settings makes.

    Attributes:
        run: the run's folder.
        division: `arm=lora` or `arm=lora/label_f1`; empty where the table is not divided.
        settings: everything that decides its rows, apart from its sources: JSON values.
        sources: the partitions it reads, each with the columns it uses.
        looks: what `state` saw of the files that it watches. They are looked at once a plan, so that a file
            which arrives during a run changes nothing under its feet.
    """

    run: Path
    table: Table
    division: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    looks: dict[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def name(self) -> str:
        return f"{self.table.name}/{self.division}" if self.division else self.table.name

    @property
    def folder(self) -> Path:
        return self.run / "tables" / self.name

    @property
    def command(self) -> str:
        """The command that makes it."""
        return f"laudo {self.table.verb} EXPERIMENT"

    @property
    def own_identity(self) -> dict[str, Any]:
        """What decides its rows, apart from its sources."""
        settings = json.loads(json.dumps(self.settings))
        return {"table": self.name, "recipe": self.table.recipe, "settings": settings}

    def using(self, *columns: str) -> Source:
        """This partition as a source of another that uses some of its columns, and its keys with them."""
        return Source(self, tuple(dict.fromkeys((*self.table.key, *columns))))

    def using_all(self) -> Source:
        """This partition as a source of another that uses all of its content."""
        return self.using(*self.table.content)


@dataclass(frozen=True)
class Source:
    """A partition that another reads, and the columns that it uses: only their content counts."""

    partition: Partition
    columns: tuple[str, ...]


def fingerprint(identity: Mapping[str, Any], keys: str) -> str:
    """16 hexadecimal digits that stand for an identity with its sources and the keys of its rows.

    Every part carries them, so that a part says what made it even where `config.json` is lost.
    """
    return digest_of_json([identity, keys])
