"""Progress: lines in a file, a bar on a terminal, and a note beside either."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

import laudo
from laudo import progress
from laudo.progress import Progress, note


class Clock:
    """A clock that goes on by hand."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


# --- in a file -----------------------------------------------------------------------------------------------


def test_a_line_every_few_seconds_says_how_far_it_is_how_fast_and_how_long_it_will_take(clock, capsys):
    """After 6 s 20 of 100 are done: 3.3/s, and 80 more take 24 s."""
    with Progress("reports", 100) as shown:
        for seconds in (2, 2, 2):
            clock.now += seconds
            shown.add(5 if clock.now < 106 else 10)
        assert capsys.readouterr().err == "reports: 20/100 (20%), 3.3/s, about 24 s left\n"
        clock.now += 24
        shown.add(80)
    assert capsys.readouterr().err == "reports: 100/100 (100%), 3.3/s, 30 s\n"


def test_what_an_earlier_run_finished_counts_as_done_but_not_as_speed(clock, capsys):
    """60 of 120 were there; 2 more in 60 s: 2 a minute, and 58 take 29 min."""
    with Progress("translations", 120, already=60) as shown:
        clock.now += 60
        shown.add(2)
        assert capsys.readouterr().err == "translations: 62/120 (51%), 2.0/min, about 29 min left\n"


def test_hours_are_given_in_hours(clock, capsys):
    with Progress("generations", 1000) as shown:
        clock.now += 36
        shown.add()
        assert "about 10.0 h left" in capsys.readouterr().err


def test_it_ends_with_its_last_item_also_without_a_block(clock, capsys):
    shown = Progress("training", 2)
    clock.now += 1
    shown.add()
    clock.now += 1
    shown.add()
    shown.add()
    assert capsys.readouterr().err == "training: 2/2 (100%), 1.0/s, 2 s\n"


@pytest.mark.parametrize(("total", "already"), [(0, 0), (5, 5)])
def test_where_there_is_nothing_to_do_nothing_is_shown(capsys, total, already):
    with Progress("checks", total, already=already):
        pass
    assert capsys.readouterr().err == ""


def test_an_error_ends_it_without_a_last_line(clock, capsys):
    with pytest.raises(ZeroDivisionError), Progress("checks", 5) as shown:
        clock.now += 1
        shown.add()
        raise ZeroDivisionError
    assert capsys.readouterr().err == ""


def test_a_note_is_a_line(capsys):
    note("studies: made again [size_px: 48 -> 64]")
    assert capsys.readouterr().err == "studies: made again [size_px: 48 -> 64]\n"


def test_a_file_needs_no_rich():
    program = "import sys; from laudo.progress import Progress; Progress('a', 2).add(2); print('rich' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ended.stdout == "False\n" and ended.stderr.startswith("a: 2/2 (100%)")


# --- on a terminal -------------------------------------------------------------------------------------------

CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def on_terminal(program: str) -> str:
    """What a program writes to standard error where that is a terminal."""
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(laudo.__path__[0]).parent),
        "TERM": "xterm",
        "COLUMNS": "120",
    }
    command = [sys.executable, "-c", "from laudo.progress import Progress, note\n" + program]
    with subprocess.Popen(command, stderr=theirs, env=environment):
        os.close(theirs)
        written = b""
        while piece := _read(ours):
            written += piece
    os.close(ours)
    return written.decode()


def _read(file: int) -> bytes:
    """The next bytes of a terminal; none where the other side is closed, which Linux reports as an error."""
    try:
        return os.read(file, 65536)
    except OSError:
        return b""


def lines(written: str) -> list[str]:
    """The lines that stay on the terminal: of those written over one another, the last."""
    plain = CONTROL.sub("", written).replace("\r\n", "\n")
    return [line.rpartition("\r")[2].rstrip() for line in plain.split("\n")]


def test_a_terminal_has_a_bar_with_share_count_speed_and_time():
    written = on_terminal("with Progress('reports', 40) as p:\n    p.add(10)\n    p.add(30)")
    assert re.search(r"reports ━+ +100% 40/40 \d+\.\d/s, \d+ s", lines(written)[-2])
    assert written.index(HIDE_CURSOR) < written.rindex(SHOW_CURSOR)


def test_a_note_beside_a_bar_stays_above_it():
    written = on_terminal(
        "with Progress('reports', 4) as p:\n    p.add()\n    note('films: made again [x]')\n    p.add(3)"
    )
    shown = [line for line in lines(written) if line]
    assert shown[-2] == "films: made again [x]" and shown[-1].startswith("reports ━")


@pytest.mark.parametrize(
    "program",
    [
        "with Progress('training', 4) as p:\n    p.add()\n    raise KeyboardInterrupt",
        "p = Progress('training', 4)\np.add()\nraise ValueError",
        "p = Progress('training', 4)\np.add(4)",
        "import sys\np = Progress('training', 4)\np.add()\nsys.exit(2)",
    ],
)
def test_the_cursor_comes_back_however_it_ends(program):
    written = on_terminal(program)
    assert HIDE_CURSOR in written and written.rindex(SHOW_CURSOR) > written.rindex(HIDE_CURSOR)
