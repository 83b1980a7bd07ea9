"""JSON lines: what is read comes whole, and a bad line is named without a word of it."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laudo.cli import lines
from laudo.errors import InputError


@pytest.fixture
def written(tmp_path):
    def write(content: bytes):
        path = tmp_path / "reports.jsonl"
        path.write_bytes(content)
        return str(path)

    return write


def test_objects_come_in_order_and_blank_lines_do_not(written):
    path = written(b'{"id": "a", "more": 1}\n\n  \r\n{"id": "b"}\r\n\n{"id": "c"}')
    assert list(lines.parse(path, keys=("id",))) == [{"id": "a", "more": 1}, {"id": "b"}, {"id": "c"}]


def test_a_byte_order_mark_is_no_text(written):
    assert list(lines.parse(written(b'\xef\xbb\xbf{"id": "a"}\n'), keys=("id",))) == [{"id": "a"}]


def test_an_empty_file_has_no_objects(written):
    assert list(lines.parse(written(b""), keys=("id",))) == []


def test_lines_come_as_they_arrive(monkeypatch):
    """The second line is bad; the first was there before it was read."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"id": "a"}\nno\n')))
    objects = lines.parse("-", keys=("id",))
    assert next(objects) == {"id": "a"}
    with pytest.raises(InputError, match="standard input, line 2"):
        next(objects)


BAD = [
    (b'{"id": "a", "text": "secret', "not JSON"),
    (b"secret", "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (b'"secret"', "not a JSON object"),
    (b'["id", "text", "secret"]', "not a JSON object"),
    (b'{"id": "secret"}', "'text' is missing"),
    (b'{"id": "a", "text": null, "secret": 1}', "'text' is not a string"),
    (b'{"id": 1, "text": "secret"}', "'id' is not a string"),
    (b'{"id": "a", "text": "secret \\ud800"}', "half of a surrogate pair"),
    (b'{"id": "a", "text": "secret \xe3"}', "not UTF-8"),
    ('{"id": "a", "text": "secret"}'.encode("utf-16"), "not UTF-8"),
]


@pytest.mark.parametrize(("line", "wrong"), BAD, ids=[wrong for _, wrong in BAD])
def test_a_bad_line_is_named_and_not_quoted(written, line, wrong):
    path = written(b'{"id": "a", "text": "fine"}\n\n' + line + b"\n")
    with pytest.raises(InputError) as raised:
        list(lines.parse(path, keys=("id", "text")))
    assert wrong in raised.value.what
    assert raised.value.where == f"{path}, line 3"
    assert "secret" not in str(raised.value)


@given(
    st.dictionaries(st.sampled_from(["id", "text", "à"]), st.text(st.characters(exclude_categories=["Cs"])))
)
def test_what_is_written_is_one_line_and_comes_back(row):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", io.TextIOWrapper(out := io.BytesIO()))
        lines.write(row)
        content = out.getvalue()
        patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert content.count(b"\n") == 1
        assert list(lines.parse("-", keys=tuple(row))) == [json.loads(content)] == [row]
