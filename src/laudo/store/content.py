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
import pyarrow.compute as pc


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
        for index, field in enumerate(kind):
            yield from _leaves(pc.struct_field(array, [index]), f"{place}.{field.name}")
    elif pa.types.is_map(kind) or pa.types.is_list(kind):
        yield f"{place}.lengths", _int64(pc.list_value_length(_as_list(array)))
        yield from _leaves(pc.list_flatten(_as_list(array)), f"{place}.items")
    elif pa.types.is_string(kind):
        yield f"{place}.lengths", _int64(pc.binary_length(array))
        yield f"{place}.text", _characters(array)
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


def _characters(strings: pa.Array) -> memoryview:
    """The UTF-8 of strings, one after the other: Arrow holds it so, between the first and the last offset."""
    strings = pc.fill_null(strings, "")
    _, offsets, characters = strings.buffers()
    places = np.frombuffer(offsets, np.int32)[strings.offset : strings.offset + len(strings) + 1]
    if not len(places) or characters is None:
        return memoryview(b"")
    return memoryview(characters)[places[0] : places[-1]]


def _int64(lengths: pa.Array) -> bytes:
    return bytes(pc.fill_null(lengths, 0).cast(pa.int64()).to_numpy(zero_copy_only=False).tobytes())


def _numbers(array: pa.Array) -> np.ndarray[Any, Any]:
    if pa.types.is_temporal(array.type):
        array = array.cast(pa.int64())
    zero = False if pa.types.is_boolean(array.type) else pa.scalar(0, array.type)
    return np.ascontiguousarray(pc.fill_null(array, zero).to_numpy(zero_copy_only=False))
