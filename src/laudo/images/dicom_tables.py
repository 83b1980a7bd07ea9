"""The lookup tables of a DICOM (Modality LUT and VOI LUT), in every form that files have them.

pydicom's own functions fail on tables of 8 bits that are packed two to a word, and on numbers of bits that
NumPy has no type for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from laudo.images.dicom_pixels import numbers

if TYPE_CHECKING:
    from laudo.images.grey import Values


class Table(NamedTuple):
    """The entries of a table, and the value that the first of them maps."""

    entries: Values
    first_value: int

    def __call__(self, values: Values) -> Values:
        """Returns what the table maps values to; values outside of it take its first or last entry."""
        import numpy as np

        places = np.clip(np.rint(values) - self.first_value, 0, len(self.entries) - 1)
        mapped: Values = self.entries[places.astype(np.intp)]
        return mapped

    @property
    def top(self) -> int:
        """The value that is white: all bits of the greatest entry, at least 8.

        By PS3.3 C.11.2.1.1 it is all bits of the descriptor, which is the same for a table that uses them. In
        the field, tables of 12 bits have a descriptor of 16.
        """
        return int(2 ** max(8, int(self.entries.max()).bit_length()) - 1)


def load(dataset: Any, item: Any, *, signed: bool) -> Table:
    """Returns the table of an item (PS3.3 C.11.1.1 and C.11.2.1.1).

    Args:
        dataset: the data set that the item belongs to.
        item: an item of ModalityLUTSequence or VOILUTSequence.
        signed: whether the values to be mapped are; then so is the value that the first entry maps. pydicom
            decodes it as unsigned from a file without explicit types whose pixels are unsigned and become
            negative only by rescaling.

    Raises:
        ValueError: no whole descriptor, or fewer entries than it says.
    """
    import numpy as np

    descriptor = numbers(item.get("LUTDescriptor"))
    if len(descriptor) != 3:
        raise ValueError("its table has no descriptor of three numbers")
    count, first_value, bits = map(int, descriptor)
    count = count or 2**16
    if signed and first_value >= 2**15:
        first_value -= 2**16
    words = _words(dataset, item.get("LUTData"))
    # Entries of 8 bits may be packed two to a word; only the length says whether they are.
    is_packed = bits <= 8 and len(words) == (count + 1) // 2
    entries = words.astype("<u2").view(np.uint8) if is_packed else words
    if len(entries) < count:
        raise ValueError(f"its table has {len(entries)} entries, and {count} by its descriptor")
    return Table(entries[:count].astype(np.int64), first_value)


def _words(dataset: Any, data: Any) -> Values:
    """Returns the 16-bit words of LUTData, which pydicom gives as bytes, as numbers or as one number."""
    import numpy as np

    if isinstance(data, bytes):
        _, little_endian = dataset.original_encoding
        whole = data[: len(data) // 2 * 2]
        return np.frombuffer(whole, "<u2" if little_endian else ">u2")
    if data is None:
        return np.zeros(0, np.uint16)
    return np.atleast_1d(np.asarray(data, np.int64)).astype(np.uint16)
