"""Parts on disk: filled part by part, killed at every point, gone stale, damaged, shared out, out of room."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laudo import disk, store
from laudo.errors import InputError, LaudoError, NotReady
from laudo.records import Table
from laudo.spread import WHOLE, Shard
from laudo.store import Partition, fill, is_done, making, read, require, state, write_rows

SQUARES = Table(
    "squares",
    "prepare",
    ("number",),
    pa.schema(
        [
            pa.field("number", pa.int64(), nullable=False),
            pa.field("square", pa.int64()),
            pa.field("note", pa.string(), nullable=False),
        ]
    ),
)
CUBES = Table("cubes", "translate", ("number",), SQUARES.schema)
KEYS = [(n,) for n in (9, 4, 1, 7, 2, 8, 3, 0, 6, 5)]
PARTS = [[(0,), (1,), (2,)], [(3,), (4,), (5,)], [(6,), (7,), (8,)], [(9,)]]
WHOLE_TABLE = [{"number": n, "square": n * n, "note": ""} for n in range(10)]


def squares(keys):
    return [{"number": n, "square": n * n, "note": ""} for (n,) in keys]


class Counted:
    """A `rows_of` that remembers its calls and fails at the keys in `fails_at`."""

    def __init__(self, fails_at=()):
        self.calls, self.fails_at = [], fails_at

    def __call__(self, keys):
        if set(keys) & set(self.fails_at):
            raise RuntimeError("the model fell over")
        self.calls.append(list(keys))
        return squares(keys)


def parts_on_disk(partition):
    return sorted(p.name for p in partition.folder.glob("part-*"))


def everything(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# --- part by part --------------------------------------------------------------------------------------------


def test_keys_are_sorted_into_parts_whatever_their_order(tmp_path):
    for name, keys in (("a", KEYS), ("b", sorted(KEYS)), ("c", KEYS[::-1])):
        partition, rows_of = Partition(tmp_path / name, SQUARES), Counted()
        assert fill(partition, keys, rows_of, part_size=3)
        assert rows_of.calls == PARTS
        assert read(partition) == WHOLE_TABLE
    assert not fill(partition, KEYS, Counted(), part_size=3), "a finished table is not made again"


def test_an_exception_keeps_what_is_finished_and_the_rerun_makes_the_rest(tmp_path):
    partition = Partition(tmp_path, SQUARES)
    with pytest.raises(RuntimeError, match="the model fell over"):
        fill(partition, KEYS, Counted(fails_at=[(7,)]), part_size=3)
    assert parts_on_disk(partition) == ["part-00000.parquet", "part-00001.parquet"]
    assert (state(partition).word, state(partition).rows) == ("begun", 6)
    rows_of = Counted()
    assert fill(partition, KEYS, rows_of, part_size=3)
    assert rows_of.calls == PARTS[2:]
    assert read(partition) == WHOLE_TABLE


def test_no_keys_make_a_finished_table_without_rows(tmp_path):
    partition = Partition(tmp_path, SQUARES)
    fill(partition, [], squares, part_size=3)
    assert state(partition).word == "done" and read(partition) == []


@settings(max_examples=30)
@given(count=st.integers(0, 30), part_size=st.integers(1, 7), fails=st.sets(st.integers(0, 29), max_size=3))
def test_any_failures_then_a_rerun_give_the_whole_table(tmp_path_factory, count, part_size, fails):
    partition = Partition(tmp_path_factory.mktemp("any"), SQUARES)
    keys, calls = [(n,) for n in range(count)], []
    for failing in sorted(fails):
        rows_of = Counted(fails_at=[(failing,)])
        with contextlib.suppress(RuntimeError):
            fill(partition, keys, rows_of, part_size=part_size)
        calls += rows_of.calls
    rows_of = Counted()
    fill(partition, keys, rows_of, part_size=part_size)
    calls += rows_of.calls
    assert read(partition) == squares(keys)
    assert sorted(key for call in calls for key in call) == keys, "each key is asked for exactly once"


# --- kill -9 -------------------------------------------------------------------------------------------------


def die_everywhere(folder):
    """In `folder/<n>`, fills the table in a process that kills itself at the n-th thing it does to the disk.

    That is: in a call of `rows_of`, halfway through the bytes of a part, and at each sync; a write is synced
    before and after its rename. So there is a kill on either side of all that can be seen. Ends when one survives.
    """
    for number in range(100):
        child = os.fork()
        if child == 0:
            _die_at(number, Partition(Path(folder) / str(number), SQUARES))
        if os.waitpid(child, 0)[1] == 0:
            return


def _die_at(number, partition):
    left = iter(range(number))

    def count_down():
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def rows_of(keys):
        count_down()
        return squares(keys)

    def write_half(table, path, **options):
        write_table(table, path, **options)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        count_down()
        path.write_bytes(whole)

    write_table, store.pq.write_table = store.pq.write_table, write_half
    sync, os.fsync = os.fsync, lambda handle: (count_down(), sync(handle))
    fill(partition, KEYS, rows_of, part_size=3)
    os._exit(0)


def test_a_kill_at_any_point_then_a_rerun_gives_the_same_table(tmp_path):
    run = "import sys, test_store; test_store.die_everywhere(sys.argv[1])"
    subprocess.run([sys.executable, "-c", run, str(tmp_path)], check=True, cwd=Path(__file__).parent)
    survivor = len(list(tmp_path.iterdir())) - 1
    # config.json, four parts, done: two syncs each; four calls of rows_of, and four parts half written.
    assert survivor == 20
    for number in range(survivor):
        partition, rows_of = Partition(tmp_path / str(number), SQUARES), Counted()
        before = {p.name: p.stat().st_mtime_ns for p in partition.folder.glob("part-*")}
        fill(partition, KEYS, rows_of, part_size=3)
        assert rows_of.calls == PARTS[len(before) :], f"killed at {number}"
        assert read(partition) == WHOLE_TABLE
        assert {
            p.name: p.stat().st_mtime_ns for p in partition.folder.glob("part-*")
        }.items() >= before.items()
        assert everything(partition.folder) == [
            "config.json",
            "done",
            *(f"part-0000{n}.parquet" for n in range(4)),
        ], "no litter"


# --- rows that may not be ------------------------------------------------------------------------------------


def test_a_null_is_refused_where_the_table_forbids_it(tmp_path):
    partition = Partition(tmp_path, SQUARES)
    with pytest.raises(ValueError, match="squares: null in column note"):
        fill(partition, [(1,)], lambda keys: [{"number": 1, "square": 1, "note": None}], part_size=3)
    assert parts_on_disk(partition) == []
    fill(partition, [(1,)], lambda keys: [{"number": 1, "square": None, "note": ""}], part_size=3)
    assert read(partition)[0]["square"] is None


def test_a_key_that_occurs_twice_is_refused(tmp_path):
    partition = Partition(tmp_path, SQUARES)
    with pytest.raises(ValueError, match="occurs twice"):
        fill(partition, [(1,)], lambda keys: squares([(1,), (1,)]), part_size=3)
    assert parts_on_disk(partition) == []


# --- stale ---------------------------------------------------------------------------------------------------


def test_changed_settings_make_it_stale_with_the_reason_and_keep_the_old_rows_aside(tmp_path):
    old = Partition(tmp_path, SQUARES, settings={"prompt": "Traduza.", "sampling": {"seed": 1}})
    fill(old, KEYS, squares, part_size=3)
    new = Partition(tmp_path, SQUARES, settings={"prompt": "Traduza bem.", "sampling": {"seed": 1}})
    assert state(new).word == "stale"
    assert state(new).reasons == ('prompt: "Traduza." -> "Traduza bem."',)
    assert is_done(old), "looking changes nothing"
    rows_of = Counted()
    fill(new, KEYS, rows_of, part_size=3)
    assert rows_of.calls == PARTS, "not one of the old parts serves"
    kept = list((tmp_path / "superseded").iterdir())
    assert len(kept) == 1 and len(list(kept[0].glob("part-*"))) == 4


def test_it_may_be_superseded_again_and_again(tmp_path):
    for turn in range(4):
        fill(Partition(tmp_path, SQUARES, settings={"prompt": turn % 2}), KEYS, squares, part_size=5)
    assert len(list((tmp_path / "superseded").iterdir())) == 3


def test_a_changed_input_makes_what_reads_it_stale(tmp_path):
    def pair(seed):
        below = Partition(tmp_path, SQUARES, settings={"seed": seed})
        return below, Partition(tmp_path, CUBES, inputs=(below,))

    below, above = pair(1)
    for partition in (below, above):
        fill(partition, KEYS, squares, part_size=3)
    below, above = pair(2)
    assert state(above).reasons == ("squares has changed",)
    with pytest.raises(NotReady, match=r"squares is stale \(seed: 1 -> 2\)"):
        fill(above, KEYS, squares, part_size=3)
    with pytest.raises(NotReady, match="cubes is stale"):
        read(above)


def test_require_names_the_table_how_far_it_is_and_the_command(tmp_path):
    partition = Partition(tmp_path, CUBES, part="arm=lora")
    with pytest.raises(
        NotReady, match=r"cubes/arm=lora is missing \(0 rows so far\)(.|\n)*to mend it: laudo translate"
    ):
        require(partition)
    with pytest.raises(RuntimeError):
        fill(partition, KEYS, Counted(fails_at=[(4,)]), part_size=3)
    with pytest.raises(NotReady, match=r"is begun \(3 rows so far\)"):
        read(partition)


# --- shards and locks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_shards_make_exactly_the_whole(tmp_path, order):
    whole, shared = Partition(tmp_path / "whole", SQUARES), Partition(tmp_path / "shared", SQUARES)
    fill(whole, KEYS, squares, part_size=3)
    calls = {}
    for index in order:
        assert not is_done(shared)
        rows_of = Counted()
        fill(shared, KEYS, rows_of, part_size=3, shard=Shard(index, 2))
        calls[index] = rows_of.calls
    assert calls == {0: PARTS[::2], 1: PARTS[1::2]}
    assert is_done(shared) and read(shared) == WHOLE_TABLE
    assert everything(shared.folder) == everything(whole.folder)
    for name in parts_on_disk(whole):
        assert (whole.folder / name).read_bytes() == (shared.folder / name).read_bytes()


def test_a_shard_that_has_no_part_leaves_the_table_unfinished(tmp_path):
    partition = Partition(tmp_path, SQUARES)
    assert not fill(partition, KEYS, squares, part_size=100, shard=Shard(1, 2))
    assert not is_done(partition)


def test_a_second_writer_is_refused_and_a_second_shard_is_not(tmp_path):
    partition = Partition(tmp_path, SQUARES)

    def intrude(shard, other):
        def rows_of(keys):
            if keys == PARTS[shard.index]:
                fill(partition, KEYS, squares, part_size=3, shard=other)
            return squares(keys)

        fill(partition, KEYS, rows_of, part_size=3, shard=shard)

    for shard, other in ((WHOLE, WHOLE), (WHOLE, Shard(1, 2)), (Shard(0, 2), WHOLE)):
        with pytest.raises(LaudoError, match=r"another process is making squares(.|\n)*wait for it"):
            intrude(shard, other)
    intrude(Shard(0, 2), Shard(1, 2))
    assert read(partition) == WHOLE_TABLE


def test_a_shard_does_not_supersede_what_another_shard_is_still_making(tmp_path):
    old, new = (Partition(tmp_path, SQUARES, settings={"prompt": p}) for p in ("old", "new"))

    def rows_of(keys):
        with pytest.raises(LaudoError, match="another process is making squares"):
            fill(new, KEYS, squares, part_size=3, shard=Shard(1, 2))
        return squares(keys)

    fill(old, KEYS, rows_of, part_size=3, shard=Shard(0, 2))
    assert parts_on_disk(old) == ["part-00000.parquet", "part-00002.parquet"]
    assert not (tmp_path / "superseded").exists()


# --- damage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[: len(b) // 2],
        lambda b: b"",
        lambda b: b"X" * len(b),
        lambda b: b[:40] + b"X" * 40 + b[80:],
    ],
)
def test_a_damaged_part_is_named_and_made_again_as_the_message_says(tmp_path, damage):
    partition = Partition(tmp_path, SQUARES)
    fill(partition, KEYS, squares, part_size=3)
    part, done = partition.folder / "part-00001.parquet", partition.folder / "done"
    part.write_bytes(damage(part.read_bytes()))
    with pytest.raises(InputError, match="this part cannot be read") as caught:
        read(partition)
    assert caught.value.where == str(part)
    assert str(done) in caught.value.mend and "laudo prepare" in caught.value.mend
    part.unlink(), done.unlink()
    rows_of = Counted()
    fill(partition, KEYS, rows_of, part_size=3)
    assert rows_of.calls == PARTS[1:2] and read(partition) == WHOLE_TABLE


def test_a_damaged_config_is_named(tmp_path):
    partition = Partition(tmp_path, SQUARES)
    fill(partition, KEYS, squares, part_size=3)
    (partition.folder / "config.json").write_text("{", "utf-8")
    with pytest.raises(InputError, match="this file is damaged"):
        state(partition)


# --- no room -------------------------------------------------------------------------------------------------


def fill_with_long_notes(folder, limit):
    """Fills a table of which the second part is larger than `limit` bytes, the most that a file may then have."""
    notes = {0: "", 1: os.urandom(limit).hex()}
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        fill(
            Partition(Path(folder), SQUARES),
            [(0,), (1,)],
            lambda keys: [{"number": n, "square": 0, "note": notes[n]} for (n,) in keys],
            part_size=1,
        )
    except LaudoError as error:
        print(error)


def test_a_full_disk_gives_one_message_and_leaves_no_torn_part(tmp_path):
    run = "import sys, test_store; test_store.fill_with_long_notes(sys.argv[1], 100_000)"
    ended = subprocess.run(
        [sys.executable, "-c", run, str(tmp_path)],
        check=True,
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    assert ended.stdout.startswith("cannot write (")
    assert "part-00001.parquet" in ended.stdout and "make room" in ended.stdout
    partition = Partition(tmp_path, SQUARES)
    assert everything(partition.folder) == ["config.json", "part-00000.parquet"]
    fill(partition, [(0,), (1,)], squares, part_size=1)
    assert read(partition) == WHOLE_TABLE[:2]


def test_a_folder_that_cannot_be_made_gives_one_message(tmp_path):
    (tmp_path / "runs").write_text("a file, not a folder", "utf-8")
    with pytest.raises(LaudoError, match="cannot write"):
        fill(Partition(tmp_path / "runs" / "tiny", SQUARES), KEYS, squares, part_size=3)


# --- in one go -----------------------------------------------------------------------------------------------


def test_making_is_done_only_when_it_ends_well(tmp_path):
    partition = Partition(tmp_path, SQUARES)
    with pytest.raises(RuntimeError), making(partition) as folder:
        (folder / "adapter").mkdir()
        write_rows(partition, WHOLE_TABLE)
        raise RuntimeError
    assert not is_done(partition)
    with making(partition) as folder:
        assert (folder / "adapter").is_dir(), "what the first attempt left is there to go on from"
        write_rows(partition, WHOLE_TABLE)
    assert read(partition) == WHOLE_TABLE


def test_a_json_file_is_whole_or_absent(tmp_path):
    disk.write_json(tmp_path / "a.json", {"laudo": "opacidade à direita"})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"laudo": "opacidade à direita"}
    with pytest.raises(TypeError):
        disk.write_json(tmp_path / "a.json", {"laudo": object()})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"laudo": "opacidade à direita"}
    assert everything(tmp_path) == ["a.json"]
