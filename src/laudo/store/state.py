"""What is on disk of a partition, and whether it is up to date. Nothing is changed, and no part is opened.

`config.json` says what a partition is made from, `done` that it is complete, with its parts, their sizes,
and digests of its content. Both hold the identity, so that either can be lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from laudo.errors import NotReady
from laudo.hashing import digest_of_json
from laudo.store import watch
from laudo.store.partition import FORMAT, Partition

Word = Literal["done", "stale", "waits", "damaged", "begun", "missing"]
CONFIG, DONE = "config.json", "done"


@dataclass(frozen=True)
class State:
    """How far a partition is.

    Attributes:
        word: `done`; `stale`: made from something else than now; `waits`: a source is not done, so it is
            not known whether this is up to date; `damaged`: files are lost or cut short; `begun`;
            `missing`.
        rows: rows of a partition that was done; 0 before.
        reasons: why it is stale, waits or is damaged, and how far it is where it is begun.
    """

    word: Word
    rows: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        return self.word == "done"


Seen = dict[str, State]
"""States by the name of the partition, so that one look at a plan looks at each partition once."""


def state(partition: Partition, seen: Seen | None = None) -> State:
    """Looks at a partition and at all that it is made from."""
    seen = {} if seen is None else seen
    if partition.name not in seen:
        seen[partition.name] = _state(partition, seen)
    return seen[partition.name]


def is_done(partition: Partition) -> bool:
    """Whether every row is there, made by the present settings from the present content of its sources."""
    return state(partition).done


def require(*partitions: Partition) -> None:
    """Raises if a partition is not done.

    Raises:
        NotReady: the message names the first such partition, why, and the command that finishes it.
    """
    seen: Seen = {}
    for partition in partitions:
        now = state(partition, seen)
        if not now.done:
            raise NotReady(
                f"{partition.name} {_predicate(now)}",
                where=str(partition.folder),
                fix=f"{partition.command}, or laudo run EXPERIMENT",
            )


def _predicate(now: State) -> str:
    """What is said of a partition that is not done: `is stale (...)`, `waits for ...`."""
    reasons = "; ".join(now.reasons)
    if now.word == "waits":
        return reasons
    return f"is {now.word} ({reasons})" if reasons else f"is {now.word}"


def _state(partition: Partition, seen: Seen) -> State:
    record = Record.of(partition)
    if record.is_empty:
        return State("missing")
    if record.is_older:
        return State("stale", 0, ("made by an earlier laudo, whose tables had another form",))
    reasons = [*record.changes(partition), *record.mended(partition)]
    if reasons:
        return State("stale", record.rows, tuple(reasons))
    waits = [source.partition.name for source in partition.sources if not state(source.partition, seen).done]
    if waits:
        return State("waits", record.rows, tuple(f"waits for {name}" for name in waits))
    changed = [*record.changed_sources(partition)]
    if changed:
        return State("stale", record.rows, tuple(changed))
    if record.faults:
        return State("damaged", record.rows, record.faults)
    if record.done is None:
        parts = "part" if record.parts_planned == 1 else "parts"
        return State("begun", 0, (f"{record.parts_on_disk} of {record.parts_planned} {parts}",))
    return State("done", record.rows)


# --- the two files --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """What is on disk of a partition.

    Attributes:
        config: what `config.json` holds, None where it is absent or damaged.
        done: what `done` holds, None where it is absent or damaged.
        faults: what is lost or damaged.
        is_older: whether an earlier laudo wrote it.
        parts_on_disk: how many parts are there.
    """

    config: Mapping[str, Any] | None
    done: Mapping[str, Any] | None
    faults: tuple[str, ...]
    is_older: bool
    parts_on_disk: int

    @classmethod
    def of(cls, partition: Partition) -> Record:
        """Looks into a partition's folder."""
        sizes = _sizes(partition.folder)
        config, done = (_load(partition.folder / name) for name in (CONFIG, DONE))
        parts = sum(name.endswith(".parquet") for name in sizes)
        faults = [*_file_faults(config, done, parts)]
        if isinstance(done, dict):
            faults += _part_faults(done, sizes) + _other_faults(partition.folder, done)
        return cls(
            config=config if isinstance(config, dict) else None,
            done=done if isinstance(done, dict) else None,
            faults=tuple(faults),
            is_older="older" in (config, done) and not isinstance(config, dict),
            parts_on_disk=parts,
        )

    @property
    def is_empty(self) -> bool:
        return not (self.config or self.done or self.faults or self.is_older)

    @property
    def made_from(self) -> Mapping[str, Any] | None:
        """The file that says what it is made from: `config.json`, else `done`; None where both are lost."""
        return self.config or self.done

    @property
    def rows(self) -> int:
        return int(self.done["rows"]) if self.done else 0

    @property
    def parts_planned(self) -> int:
        return int(self.config["parts"]) if self.config else 0

    def changes(self, partition: Partition) -> Iterator[str]:
        """What of the settings and the recipe is not as now."""
        if self.made_from is None:
            return
        before, now = self.made_from["identity"], partition.own_identity
        if before["recipe"] != now["recipe"]:
            yield f"recipe {before['recipe']} -> {now['recipe']}: its code gives other rows since"
        yield from differences(before["settings"], now["settings"])
        names = {source.partition.name for source in partition.sources}
        for name in sorted(names ^ before["sources"].keys()):
            yield f"{name} {'is' if name in names else 'is no longer'} one of its sources"

    def mended(self, partition: Partition) -> tuple[str, ...]:
        """What of the files that could not be used has changed since."""
        watched = self.done.get("watched") if self.done else None
        if not (self.done and watched):
            return ()
        version = self.done["checksum"]
        if version not in partition.looks:
            partition.looks[version] = _changes_of(watch.changed(watched))
        return partition.looks[version]

    def changed_sources(self, partition: Partition) -> Iterator[str]:
        """The columns of its sources, all of them done, whose content has changed since it was made."""
        if self.made_from is None:
            return
        before = self.made_from["identity"]["sources"]
        for source in partition.sources:
            name, now = source.partition.name, digests_of(source.partition)
            for column in source.columns:
                if before[name].get(column) != now.get(column):
                    yield f"{name}: {column} has changed"


def _changes_of(paths: Sequence[str]) -> tuple[str, ...]:
    if not paths:
        return ()
    others = f" and {len(paths) - 1} others" if len(paths) > 1 else ""
    return (f"could not be used, and has changed since: {paths[0]}{others}",)


def digests_of(partition: Partition) -> Mapping[str, str]:
    """column -> digest of its content, from `done`; a folder beside the parts counts as a column."""
    done = _load(partition.folder / DONE)
    return done["columns"] if isinstance(done, dict) else {}


def origins_of(partition: Partition) -> Sequence[Mapping[str, Any]]:
    """Returns when and where its parts were made, each distinct one once; none of a table of before."""
    done = _load(partition.folder / DONE)
    return done.get("made", []) if isinstance(done, dict) else []


Loaded = dict[str, Any] | Literal["absent", "damaged", "older"]


def _load(path: Path) -> Loaded:
    """What one of the two files holds; a look at a plan asks for the same file many times."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    except OSError:
        return "damaged"
    return _parse(path, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=128)
def _parse(path: Path, version: tuple[int, int, int]) -> Loaded:
    """Parses a file. `version` tells it from an earlier file at its path; the result must not be changed."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return "damaged"
    if not isinstance(value, dict):
        return "damaged"
    if "checksum" not in value:  # as in format 1
        return "older" if "laudo" in value and "format" not in value else "damaged"
    if value["checksum"] != checksum(value):
        return "damaged"
    return value if value.get("format") == FORMAT else "older"


def checksum(content: Mapping[str, Any]) -> str:
    """Returns the digest of all that one of the two files holds but its `checksum`.

    Without it a flipped bit could turn a setting into another, and finished rows into stale ones.
    """
    return digest_of_json({name: value for name, value in content.items() if name != "checksum"})


def _sizes(folder: Path) -> dict[str, int]:
    """name -> size in bytes of the parts in a folder."""
    try:
        with os.scandir(folder) as entries:
            return {e.name: e.stat().st_size for e in entries if e.name.startswith("part-")}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _file_faults(config: Any, done: Any, parts: int) -> Iterator[str]:
    if config == "damaged" or (config == "absent" and (parts or done != "absent")):
        yield f"{CONFIG} is {'missing' if config == 'absent' else 'damaged'}"
    if done == "damaged":
        yield f"{DONE} is damaged"


def _part_faults(done: Mapping[str, Any], sizes: Mapping[str, int]) -> list[str]:
    lost = [name for name in done["parts"] if name not in sizes]
    cut = [name for name, part in done["parts"].items() if name in sizes and sizes[name] != part["bytes"]]
    surplus = [name for name in sizes if name.endswith(".parquet") and name not in done["parts"]]
    named = {"is missing": lost, "has another size": cut, "does not belong here": surplus}
    return [f"{name} {what}" for what, names in named.items() for name in sorted(names)]


def _other_faults(folder: Path, done: Mapping[str, Any]) -> list[str]:
    """What is wrong with the files beside the parts, such as an adapter's."""
    faults = []
    for name, recorded in done["files"].items():
        path = folder / name
        if not path.is_file():
            faults.append(f"{name} is missing")
        elif path.stat().st_size != recorded["bytes"]:
            faults.append(f"{name} has another size")
    return faults


def differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    """Settings that differ, each as `where: before -> now`."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            inner = f"{place}.{key}" if place else key
            yield from differences(before.get(key, _ABSENT), now.get(key, _ABSENT), inner)
    elif before != now:
        yield f"{place}: {_short(before)} -> {_short(now)}"


_ABSENT = object()
"""A setting that is not there, which is not the same as one that is null."""


def _short(value: Any) -> str:
    if value is _ABSENT:
        return "(none)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
