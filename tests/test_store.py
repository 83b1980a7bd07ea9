"""Parts on disk: filled part by part, killed at every point, gone stale, damaged, shared out, out of room."""

import contextlib
import dataclasses
import errno
import functools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laudo.errors import LaudoError, NotReady
from laudo.store import (
    Damaged,
    Partition,
    disk,
    files,
    fill,
    fill_together,
    is_done,
    locks,
    make,
    require,
    rows,
    state,
)
from laudo.store.spread import WHOLE, Shard
from laudo.store.state import digests_of
from laudo.store.tables import Table

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
        assert rows(partition) == WHOLE_TABLE
    assert not fill(partition, KEYS, Counted(), part_size=3), "a finished table is not made again"


def test_an_exception_keeps_what_is_finished_and_the_rerun_makes_the_rest(tmp_path):
    partition = Partition(tmp_path, SQUARES)
    with pytest.raises(RuntimeError, match="the model fell over"):
        fill(partition, KEYS, Counted(fails_at=[(7,)]), part_size=3)
    assert parts_on_disk(partition) == ["part-00000.parquet", "part-00001.parquet"]
    assert state(partition).word == "begun" and state(partition).reasons == ("2 of 4 parts",)
    rows_of = Counted()
    assert fill(partition, KEYS, rows_of, part_size=3)
    assert rows_of.calls == PARTS[2:]
    assert rows(partition) == WHOLE_TABLE


def test_no_keys_make_a_finished_table_without_rows(tmp_path):
    partition = Partition(tmp_path, SQUARES)
    fill(partition, [], squares, part_size=3)
    assert state(partition).word == "done" and rows(partition) == []


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
    assert rows(partition) == squares(keys)
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

    write_table, pq.write_table = pq.write_table, write_half
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
        assert rows(partition) == WHOLE_TABLE
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
    assert rows(partition)[0]["square"] is None


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


def test_a_setting_that_is_absent_is_not_one_that_is_null(tmp_path):
    """A table that was begun goes on only where its settings are the same; the state and the filling agree."""
    begun = Partition(tmp_path, SQUARES, settings={"prompt": "Traduza."})
    with pytest.raises(RuntimeError):
        fill(begun, KEYS, Counted(fails_at=[(4,)]), part_size=3)
    now = Partition(tmp_path, SQUARES, settings={"prompt": "Traduza.", "revision": None})
    assert state(now).word == "stale" and state(now).reasons == ("revision: (none) -> null",)


def test_it_may_be_superseded_again_and_again(tmp_path):
    for turn in range(4):
        fill(Partition(tmp_path, SQUARES, settings={"prompt": turn % 2}), KEYS, squares, part_size=5)
    assert len(list((tmp_path / "superseded").iterdir())) == 3


def pair(run, *, seed=1, recipe=1, columns=("square",)):
    """Squares, and cubes that are made from some of their columns."""
    below = Partition(run, dataclasses.replace(SQUARES, recipe=recipe), settings={"seed": seed})
    return below, Partition(run, CUBES, sources=(below.using(*columns),))


def filled(partitions, rows_of=squares):
    for partition in partitions:
        fill(partition, KEYS, rows_of, part_size=3)


def test_a_source_that_is_stale_is_waited_for_and_named(tmp_path):
    filled(pair(tmp_path))
    _, above = pair(tmp_path, seed=2)
    assert state(above).word == "waits" and state(above).reasons == ("waits for squares",)
    with pytest.raises(NotReady, match=r"squares is stale \(seed: 1 -> 2\)"):
        fill(above, KEYS, squares, part_size=3)
    with pytest.raises(NotReady, match="cubes waits for squares"):
        rows(above)


def test_a_source_remade_with_the_same_content_makes_nothing_stale(tmp_path):
    filled(pair(tmp_path))
    below, above = pair(tmp_path, seed=2)
    rows_of = Counted()
    fill(below, KEYS, rows_of, part_size=5)
    assert rows_of.calls, "it was made again, in other parts"
    assert state(above).word == "done"


def test_only_the_columns_that_are_used_count(tmp_path):
    filled(pair(tmp_path))
    below, above = pair(tmp_path, seed=2)
    fill(below, KEYS, lambda keys: [{**row, "note": "another"} for row in squares(keys)], part_size=3)
    assert state(above).word == "done"
    below, above = pair(tmp_path, seed=3)
    fill(below, KEYS, lambda keys: [{**row, "square": 0} for row in squares(keys)], part_size=3)
    assert state(above).word == "stale" and state(above).reasons == ("squares: square has changed",)


def test_rows_of_other_keys_are_other_content(tmp_path):
    """The key counts with every column: the same squares under other numbers are not the same."""
    filled(pair(tmp_path))
    below, above = pair(tmp_path, seed=2)
    shifted = [(n + 1,) for (n,) in KEYS]
    fill(
        below,
        shifted,
        lambda keys: [{**row, "number": row["number"] + 1} for row in squares([(n - 1,) for (n,) in keys])],
        part_size=3,
    )
    assert state(above).reasons == ("squares: number has changed",)


def test_a_raised_recipe_number_makes_its_table_stale_with_that_reason(tmp_path):
    filled(pair(tmp_path))
    below, above = pair(tmp_path, recipe=2)
    assert state(below).word == "stale"
    assert state(below).reasons == ("recipe 1 -> 2: its code gives other rows since",)
    fill(below, KEYS, squares, part_size=3)
    assert state(below).word == "done" and state(above).word == "done", "the other code gave the same rows"


def timed_squares(seconds, keys):
    return [{**row, "seconds": seconds} for row in squares(keys)]


def test_times_are_not_content(tmp_path):
    timed = Table("timed", "translate", ("number",), SQUARES.schema.append(pa.field("seconds", pa.float64())))
    partition = Partition(tmp_path, timed)
    for seconds in (1.0, 2.0):
        rows_of = functools.partial(timed_squares, seconds)
        fill(partition, KEYS, rows_of, part_size=3)
    assert "seconds" not in digests_of(partition) and set(digests_of(partition)) == {
        "number",
        "square",
        "note",
    }


def test_partitions_of_the_same_keys_are_filled_in_one_pass(tmp_path):
    below, above = (Partition(tmp_path, table) for table in (SQUARES, CUBES))
    fill(above, KEYS, squares, part_size=3)
    calls = []

    def both(keys):
        calls.append(list(keys))
        return squares(keys), squares(keys)

    assert fill_together([below, above], KEYS, both, part_size=3)
    assert calls == PARTS and rows(below) == rows(above) == WHOLE_TABLE
    assert not fill_together([below, above], KEYS, both, part_size=3)


def test_require_names_the_table_how_far_it_is_and_the_command(tmp_path):
    partition = Partition(tmp_path, CUBES, division="arm=lora")
    with pytest.raises(NotReady, match=r"cubes/arm=lora is missing(.|\n)*fix: laudo translate EXPERIMENT"):
        require(partition)
    with pytest.raises(RuntimeError):
        fill(partition, KEYS, Counted(fails_at=[(4,)]), part_size=3)
    with pytest.raises(NotReady, match=r"is begun \(1 of 4 parts\)"):
        rows(partition)


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
    assert is_done(shared) and rows(shared) == WHOLE_TABLE
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
    assert rows(partition) == WHOLE_TABLE


def test_a_shard_does_not_supersede_what_another_shard_is_still_making(tmp_path):
    old, new = (Partition(tmp_path, SQUARES, settings={"prompt": p}) for p in ("old", "new"))

    def rows_of(keys):
        with pytest.raises(LaudoError, match="another process is making squares"):
            fill(new, KEYS, squares, part_size=3, shard=Shard(1, 2))
        return squares(keys)

    fill(old, KEYS, rows_of, part_size=3, shard=Shard(0, 2))
    assert parts_on_disk(old) == ["part-00000.parquet", "part-00002.parquet"]
    assert not (tmp_path / "superseded").exists()


# --- damage: docs/store.md has these cases ---------------------------------------------------------------------


def remade(partition, *, parts):
    """Fills the table again and checks that just these parts were made, and that it is whole."""
    rows_of = Counted()
    fill(partition, KEYS, rows_of, part_size=3)
    assert rows_of.calls == [PARTS[number] for number in parts]
    assert rows(partition) == WHOLE_TABLE and state(partition).word == "done"


@pytest.fixture
def partition(tmp_path):
    """A finished table of ten rows in four parts."""
    partition = Partition(tmp_path, SQUARES, settings={"prompt": "Traduza."})
    fill(partition, KEYS, squares, part_size=3)
    return partition


def test_a_lost_part_is_noticed_and_made_again_alone(partition):
    (partition.folder / "part-00001.parquet").unlink()
    assert state(partition).word == "damaged" and state(partition).reasons == (
        "part-00001.parquet is missing",
    )
    with pytest.raises(NotReady, match="squares is damaged"):
        rows(partition)
    remade(partition, parts=[1])


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b + b"X"])
def test_a_part_of_another_size_is_noticed_set_aside_and_made_again(partition, damage):
    part = partition.folder / "part-00001.parquet"
    part.write_bytes(damage(part.read_bytes()))
    assert state(partition).reasons == ("part-00001.parquet has another size",)
    remade(partition, parts=[1])
    assert (partition.folder / "part-00001.parquet.damaged").exists(), "nothing is deleted"


@pytest.mark.parametrize("damage", [lambda b: b"X" * len(b), lambda b: b[:40] + b"X" * 40 + b[80:]])
def test_a_part_of_other_bytes_is_never_read_and_made_again_by_the_named_command(partition, damage):
    part = partition.folder / "part-00001.parquet"
    part.write_bytes(damage(part.read_bytes()))
    with pytest.raises(Damaged, match=r"part-00001\.parquet is damaged(.|\n)*fix: laudo prepare EXPERIMENT"):
        rows(partition)
    assert state(partition).reasons == ("part-00001.parquet is missing",)
    remade(partition, parts=[1])


def test_a_flipped_bit_in_a_table_that_is_not_done_is_noticed_when_it_is_finished(tmp_path):
    partition = Partition(tmp_path, SQUARES)
    with pytest.raises(RuntimeError):
        fill(partition, KEYS, Counted(fails_at=[(9,)]), part_size=3)
    part = partition.folder / "part-00000.parquet"
    whole = part.read_bytes()
    for place in range(4, len(whole), 29):
        part.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        try:
            fill(partition, KEYS, squares, part_size=3)
        except Damaged:
            fill(partition, KEYS, squares, part_size=3)
        assert rows(partition) == WHOLE_TABLE, f"bit flipped in byte {place}"
        (partition.folder / "done").unlink()


@pytest.mark.parametrize("name", ["config.json", "done"])
@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "7", "null", '"text"', "{}", '{"format": 2, "laudo": "0"}', "\0" * 50, None],
    ids=["empty", "truncated", "list", "number", "null", "string", "no keys", "some keys", "zeros", "lost"],
)
def test_either_of_the_two_files_may_be_lost_or_damaged(partition, name, damage):
    file = partition.folder / name
    file.unlink() if damage is None else file.write_text(damage, "utf-8")
    expected = "begun" if (name, damage) == ("done", None) else "damaged"
    assert state(partition).word == expected
    remade(partition, parts=[])
    assert len(parts_on_disk(partition)) == 4 and not (partition.run / "superseded").exists()


@pytest.mark.parametrize("name", ["config.json", "done"])
def test_a_flipped_bit_in_either_of_the_two_files_makes_nothing_stale(partition, name, monkeypatch):
    """Every bit of them: the rows stay, and the file is written again."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    file = partition.folder / name
    whole = file.read_bytes()
    for bit in range(0, 8 * len(whole), 5):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        assert state(partition).word in ("damaged", "done"), f"bit {bit}"
    file.write_bytes(whole.replace(b"Traduza", b"Traduzb"))
    assert state(partition).word == "damaged"
    remade(partition, parts=[])
    assert not (partition.run / "superseded").exists()


def test_both_files_may_be_lost_as_each_part_says_what_made_it(partition):
    for name in ("config.json", "done"):
        (partition.folder / name).unlink()
    assert state(partition).reasons == ("config.json is missing",)
    remade(partition, parts=[])


def test_parts_of_other_settings_are_not_adopted_when_both_files_are_lost(partition):
    for name in ("config.json", "done"):
        (partition.folder / name).unlink()
    other = Partition(partition.run, SQUARES, settings={"prompt": "Traduza bem."})
    remade(other, parts=[0, 1, 2, 3])
    (superseded,) = (partition.run / "superseded").iterdir()
    assert len(list(superseded.glob("part-*"))) == 4, "nothing is deleted"


def test_a_part_of_another_table_put_in_its_place_is_not_adopted(partition, tmp_path):
    other = Partition(tmp_path / "other", SQUARES, settings={"prompt": "Traduza bem."})
    fill(other, KEYS, lambda keys: [{**row, "note": "other"} for row in squares(keys)], part_size=3)
    (partition.folder / "done").unlink()
    shutil.copy(other.folder / "part-00002.parquet", partition.folder)
    with pytest.raises(Damaged, match=r"part-00002\.parquet"):
        fill(partition, KEYS, squares, part_size=3)
    remade(partition, parts=[2])


def test_a_table_of_an_earlier_laudo_is_recognised_and_made_again(tmp_path, capsys):
    """What laudo wrote before: an identity with `inputs`, no format, scores that were not divided by metric."""
    partition = Partition(tmp_path, SQUARES, division="arm=lora/label_f1")
    for folder in (partition.folder, partition.folder.parent):
        folder.mkdir(parents=True, exist_ok=True)
        old = {"identity": {"table": "squares", "settings": {}, "inputs": {}}, "keys": "0", "laudo": "0.1.0"}
        (folder / "config.json").write_text(json.dumps(old), "utf-8")
        (folder / "done").write_text(json.dumps({"rows": 10, "laudo": "0.1.0"}), "utf-8")
        (folder / "part-00000.parquet").write_bytes(b"old rows")
    assert state(partition).word == "stale" and "earlier laudo" in state(partition).reasons[0]
    remade(partition, parts=[0, 1, 2, 3])
    assert parts_on_disk(Partition(tmp_path, SQUARES, division="arm=lora")) == []
    assert "an earlier laudo" in capsys.readouterr().err
    assert sum(path.read_bytes() == b"old rows" for path in (tmp_path / "superseded").rglob("part-*")) == 2


@pytest.mark.parametrize("seed", range(4))
def test_no_flipped_bit_gives_other_rows(tmp_path, seed, monkeypatch):
    """400 single bits in each of four tables: the rows as they were, or a message; then made again as they were."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # what a sync is for is tested above
    random = Random(seed)
    notes = {n: "".join(random.choices("abcde ", k=random.randrange(60))) for n in range(10)}
    partition = Partition(tmp_path, SQUARES)

    def rows_of(keys):
        return [{"number": n, "square": random_square(n, seed), "note": notes[n]} for (n,) in keys]

    fill(partition, KEYS, rows_of, part_size=4)
    right = rows(partition)
    targets = [partition.folder / name for name in ("config.json", "done", *parts_on_disk(partition))]
    silent = 0
    for _ in range(400):
        path = random.choice(targets)
        whole = path.read_bytes()
        bit = random.randrange(8 * len(whole))
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            silent += rows(partition) != right
        except LaudoError:
            fill(partition, KEYS, rows_of, part_size=4)
            assert rows(partition) == right
        else:
            path.write_bytes(whole)
    assert silent == 0


def random_square(number, seed):
    return Random(f"{number} {seed}").randrange(10**6)


def test_locks_are_taken_on_files_open_for_reading_and_writing(tmp_path, monkeypatch):
    """Where flock is emulated by byte-range locks (NFS), a shared lock needs a descriptor that may read, an
    exclusive one a descriptor that may write: fcntl(2), F_SETLK, EBADF."""
    modes = []
    flock = locks.fcntl.flock

    def emulated(file, how):
        modes.append(locks.fcntl.fcntl(file, locks.fcntl.F_GETFL) & os.O_ACCMODE)
        return flock(file, how)

    monkeypatch.setattr(locks.fcntl, "flock", emulated)
    fill(Partition(tmp_path, SQUARES), KEYS, squares, part_size=3, shard=Shard(0, 2))
    assert set(modes) == {os.O_RDWR}


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_disk_without_locks_gives_one_message(tmp_path, monkeypatch, number):
    def refuse(file, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with pytest.raises(
        LaudoError, match=r"this disk cannot lock files(.|\n)*fix: put the run on a disk with locks"
    ):
        fill(Partition(tmp_path, SQUARES), KEYS, squares, part_size=3)


def test_a_run_may_be_moved(partition, tmp_path_factory):
    moved = tmp_path_factory.mktemp("elsewhere") / "run"
    shutil.move(partition.run, moved)
    there = dataclasses.replace(partition, run=moved)
    assert state(there).word == "done" and rows(there) == WHOLE_TABLE


def test_a_state_opens_no_part(partition, monkeypatch):
    for part in partition.folder.glob("part-*"):
        part.chmod(0)
    monkeypatch.setattr(pq, "read_schema", None)
    monkeypatch.setattr(pq, "read_table", None)
    assert state(partition).word == "done" and state(partition).rows == 10


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
    assert rows(partition) == WHOLE_TABLE[:2]


def test_a_folder_that_cannot_be_made_gives_one_message(tmp_path):
    (tmp_path / "runs").write_text("a file, not a folder", "utf-8")
    with pytest.raises(LaudoError, match="cannot write"):
        fill(Partition(tmp_path / "runs" / "tiny", SQUARES), KEYS, squares, part_size=3)


# --- in one go -----------------------------------------------------------------------------------------------


def build(content, calls):
    """Writes an adapter and gives the rows; remembers what it found there."""

    def built(folder):
        calls.append(sorted(path.name for path in folder.iterdir() if path.suffix != ".json"))
        (folder / "adapter").mkdir(exist_ok=True)
        (folder / "adapter" / "weights").write_bytes(content)
        return WHOLE_TABLE

    return built


def test_a_partition_made_in_one_go_is_done_only_when_it_ends_well(tmp_path):
    partition, calls = Partition(tmp_path, SQUARES), []

    def fail(folder):
        build(b"first", calls)(folder)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        make(partition, fail, files="adapter")
    assert not is_done(partition)
    assert make(partition, build(b"second", calls), files="adapter")
    assert calls == [[], ["adapter"]], "what the first attempt left is there to go on from"
    assert rows(partition) == WHOLE_TABLE
    assert (files(partition, "adapter") / "weights").read_bytes() == b"second"
    assert not make(partition, fail, files="adapter")


def test_what_is_made_from_the_folder_beside_it_sees_its_content(tmp_path):
    training = Partition(tmp_path, SQUARES)
    generated = Partition(tmp_path, CUBES, sources=(training.using("adapter"),))
    make(training, build(b"weights", []), files="adapter")
    fill(generated, KEYS, squares, part_size=3)
    retrained = Partition(tmp_path, SQUARES, settings={"seed": 1})
    after = Partition(tmp_path, CUBES, sources=(retrained.using("adapter"),))
    make(retrained, build(b"weights", []), files="adapter")
    assert state(after).word == "done"
    retrained = Partition(tmp_path, SQUARES, settings={"seed": 2})
    after = Partition(tmp_path, CUBES, sources=(retrained.using("adapter"),))
    make(retrained, build(b"others!", []), files="adapter")
    assert state(after).reasons == ("squares: adapter has changed",)


@pytest.mark.parametrize("damage", [lambda b: b[:3], lambda b: b"", lambda b: b[:-1] + b"X", None])
def test_a_damaged_adapter_is_noticed_kept_and_made_again(tmp_path, damage):
    partition, calls = Partition(tmp_path, SQUARES), []
    make(partition, build(b"weights", calls), files="adapter")
    weights = partition.folder / "adapter" / "weights"
    weights.unlink() if damage is None else weights.write_bytes(damage(b"weights"))
    with pytest.raises(LaudoError, match=r"weights(.|\n)*fix: laudo prepare EXPERIMENT"):
        files(partition, "adapter")
    assert state(partition).word == "damaged"
    assert make(partition, build(b"weights", calls), files="adapter")
    assert calls == [[], []], "it was made anew, in an empty folder"
    assert state(partition).word == "done"
    (superseded,) = (tmp_path / "superseded").iterdir()
    assert (superseded / "part-00000.parquet").exists()


@pytest.mark.parametrize("names", [["done"], ["config.json"], ["done", "config.json"]])
def test_an_adapter_is_not_trained_again_for_a_lost_file_beside_it(tmp_path, names):
    partition, calls = Partition(tmp_path, SQUARES), []
    make(partition, build(b"weights", calls), files="adapter")
    for name in names:
        (partition.folder / name).unlink()
    assert not make(partition, build(b"others", calls), files="adapter")
    assert calls == [[]] and state(partition).word == "done"
    assert (files(partition, "adapter") / "weights").read_bytes() == b"weights"


def test_a_json_file_is_whole_or_absent(tmp_path):
    disk.write_json(tmp_path / "a.json", {"laudo": "opacidade à direita"})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"laudo": "opacidade à direita"}
    with pytest.raises(TypeError):
        disk.write_json(tmp_path / "a.json", {"laudo": object()})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"laudo": "opacidade à direita"}
    assert everything(tmp_path) == ["a.json"]
