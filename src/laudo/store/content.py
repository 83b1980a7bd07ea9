"""Digests of content: of the columns of a table, of a part's bytes, of a folder of files.

A column's digest depends on its values in the order of the rows, and on nothing else: not on how the rows are
divided into parts, on compression, or on the version of the library that wrote them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa


def of_bytes(content: bytes) -> str:
    """The BLAKE2b digest of some bytes: 32 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def of_files(folder: Path) -> dict[str, dict[str, Any]]:
    """name -> size and digest of every file under a folder, by the path relative to it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "digest": of_bytes(path.read_bytes()),
        }
        for path in files
    }


class Columns:
    """Digests of columns that are seen a piece at a time: `add` each piece, then ask for `digests`."""

    def __init__(self) -> None:
        self._streams: dict[str, dict[str, Any]] = {}

    def add(self, rows: pa.Table) -> None:
        """Adds further rows."""
        for name in rows.column_names:
            streams = self._streams.setdefault(name, defaultdict(lambda: hashlib.blake2b(digest_size=16)))
            for chunk in rows[name].chunks:
                for place, content in _leaves(chunk, ""):
                    streams[place].update(content)

    @property
    def digests(self) -> dict[str, str]:
        """column -> its digest over all rows so far."""
        return {
            name: of_bytes(
                "".join(f"{place}:{streams[place].hexdigest()}\n" for place in sorted(streams)).encode()
            )
            for name, streams in self._streams.items()
        }


def _leaves(array: pa.Array, place: str) -> Iterator[tuple[str, bytes | memoryview]]:
    """The bytes of an array's parts, one stream a part: which are valid, lengths, values; structs by
    field."""
    kind = array.type
    yield f"{place}.valid", array.is_valid().to_numpy(zero_copy_only=False).tobytes()
    if pa.types.is_struct(kind):
        for field, values in zip(kind, array.flatten(), strict=True):
            yield from _leaves(values, f"{place}.{field.name}")
    elif pa.types.is_map(kind) or pa.types.is_list(kind):
        lists = _as_list(array)
        yield f"{place}.lengths", _int64(lists.value_lengths())
        yield from _leaves(lists.flatten(), f"{place}.items")
    elif pa.types.is_string(kind):
        lengths, characters = _strings(array)
        yield f"{place}.lengths", lengths
        yield f"{place}.text", characters
    elif pa.types.is_null(kind):
        return
    else:
        yield f"{place}.values", _numbers(array).tobytes()


def _as_list(array: pa.Array) -> pa.Array:
    """A map as a list of pairs: Arrow's functions on lists do not take maps."""
    if not pa.types.is_map(array.type):
        return array
    pairs = pa.struct([("key", array.type.key_type), ("value", array.type.item_type)])
    return array.cast(pa.list_(pairs))


def _strings(array: pa.Array) -> tuple[bytes, memoryview]:
    """The lengths of strings in bytes, and their UTF-8 one after the other, as Arrow holds it."""
    array = array.fill_null("")
    _, offsets, characters = array.buffers()
    places = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    if not len(places) or characters is None:
        return np.zeros(len(array), np.int64).tobytes(), memoryview(b"")
    return np.diff(places).astype(np.int64).tobytes(), memoryview(characters)[places[0] : places[-1]]


def _int64(lengths: pa.Array) -> bytes:
    return bytes(lengths.fill_null(0).cast(pa.int64()).to_numpy(zero_copy_only=False).tobytes())


def _numbers(array: pa.Array) -> np.ndarray[Any, Any]:
    if pa.types.is_temporal(array.type):
        array = array.cast(pa.int64())
    zero = False if pa.types.is_boolean(array.type) else pa.scalar(0, array.type)
    return np.ascontiguousarray(array.fill_null(zero).to_numpy(zero_copy_only=False))
