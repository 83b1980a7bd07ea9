"""Digests of columns: of the values in their order, however they are divided, stored or compressed."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laudo.store.content import Columns

INTEGERS = st.integers(-(2**40), 2**40)
VALUES = {
    "text": (pa.string(), st.none() | st.text(max_size=6)),
    "number": (pa.float64(), st.none() | st.floats(allow_nan=False).map(lambda number: number + 0.0)),
    "count": (pa.int64(), st.none() | INTEGERS),
    "flag": (pa.bool_(), st.none() | st.booleans()),
    "time": (pa.timestamp("ms"), st.none() | INTEGERS),
    "list": (pa.list_(pa.string()), st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3)),
    "map": (
        pa.map_(pa.string(), pa.string()),
        st.none()
        | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3).map(lambda d: [*d.items()]),
    ),
    "struct": (
        pa.struct([("a", pa.int8()), ("b", pa.string())]),
        st.none()
        | st.fixed_dictionaries({"a": st.none() | st.integers(-1, 1), "b": st.none() | st.text(max_size=3)}),
    ),
}


def digest(*pieces: pa.Table) -> str:
    columns = Columns()
    for piece in pieces:
        columns.add(piece)
    return columns.digests["values"]


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_a_digest_is_the_same_however_the_rows_are_divided_and_stored(kind, data):
    arrow, values = VALUES[kind]
    rows = pa.table({"values": pa.array(data.draw(st.lists(values, max_size=8)), arrow)})
    cut = data.draw(st.integers(0, len(rows)))
    whole = digest(rows)
    assert digest(rows.slice(0, cut), rows.slice(cut)) == whole
    assert digest(rows.slice(0, cut).combine_chunks(), rows.slice(cut).combine_chunks()) == whole
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    assert digest(pq.read_table(pa.BufferReader(sink.getvalue()))) == whole


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_other_values_or_another_order_have_another_digest(kind, data):
    arrow, values = VALUES[kind]
    one, other = (pa.array(data.draw(st.lists(values, max_size=4)), arrow) for _ in range(2))
    same = one.to_pylist() == other.to_pylist()
    assert (digest(pa.table({"values": one})) == digest(pa.table({"values": other}))) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["", None], [None, ""]),
        ([["a"], ["b"]], [["a", "b"], []]),
        ([[]], [None]),
        ([{"a": None}], [None]),
    ],
)
def test_values_whose_bytes_are_alike_have_different_digests(one, other):
    kind = pa.array([*one, *other]).type
    assert digest(pa.table({"values": pa.array(one, kind)})) != digest(
        pa.table({"values": pa.array(other, kind)})
    )
