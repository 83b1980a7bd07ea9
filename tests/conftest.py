"""What the tests share: no network, an experiment of a dozen studies, and the phantom tree it is run on."""

import os
import shutil
import socket
import sys
import tomllib
from pathlib import Path

import hypothesis
import pytest

# Nothing here is a measure of time: a busy machine must not fail a test.
hypothesis.settings.register_profile("laudo", deadline=None)
hypothesis.settings.load_profile("laudo")

# Set before anything imports torch or transformers, and inherited by every process that a test starts.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A developer's own corpus is none of the tests'.
for variable in ("LAUDO_MIMIC", "LAUDO_REPORTS"):
    os.environ.pop(variable, None)

LOOPBACK = ("127.0.0.1", "::1", "localhost")

TINY = """
name = "tiny"

[mimic.phantom]
studies = 14
seed = 5
image_size = 64

[prepare]
size_px = 48

[translate]
model = "phantom:translator"
max_new_tokens = 24

[reporter]
model = "phantom:reporter"

[train]
learning_rate = 5e-3
epochs = 1
batch_size = 2
gradient_accumulation = 2
gradient_checkpointing = false
evaluations = 2

[generate]
max_new_tokens = 12

[arms.zero_shot]

[arms.few_shot]
exemplars = 1

[arms.lora]
adapter = true

[evaluate.bertscore_pt]
model = "phantom:encoder-pt"
layer = 2

[evaluate.bertscore_en]
model = "phantom:encoder-multilingual"
layer = 2

[report]
examples = 2
"""

DOZEN = {"count": 12, "seed": 4, "proportions": (6, 3, 3), "size_px": 64}
"""How the phantom tree of the tests is made."""


def study_row(**values):
    """A row of `studies`; every other column is null or empty."""
    absent = dict.fromkeys(
        ("taken", "prior", "prior_report", "encoding", "chexpert", "negbio", "radiologist", "excluded")
    )
    return {**absent, "views": [], "images": [], "sections": {}, "target": {}, "removed": {}, **values}


LONGEST = {"test_study", "test_real_input", "test_train", "test_offline"}
"""Files that take minutes. They come first, so that no worker is left with one at the end."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.stem not in LONGEST)


def finished(plan, *, until=None, **rows):
    """Makes every partition of a plan in order, and returns the plan.

    Args:
        until: the name of the last partition to make.
        rows: by the name of the table. Each partition of a divided table takes those that are its own; a
            table that is not named stays empty.
    """
    from laudo import store

    for partition in plan:
        own = [row for row in rows.get(partition.table.name, ()) if _belongs(row, partition.division)]
        is_training = partition.table.name == "training"
        store.make(partition, _with_adapter(own), files="adapter" if is_training else "")
        if partition.name == until:
            break
    return plan


def _belongs(row, division):
    """Whether a row belongs to a division: to `arm=lora/label_f1`, for example, if its arm is `lora` and
    its column `metric` has a measure of label_f1."""
    from laudo.metrics import METRICS

    for place in filter(None, division.split("/")):
        column, is_column, value = place.partition("=")
        if is_column:
            belongs = row[column] == value
        else:
            belongs = row["metric"] in next(metric.measures for metric in METRICS if metric.name == place)
        if not belongs:
            return False
    return True


def _with_adapter(rows):
    """Gives the rows of a partition; beside those of the training lies an invented adapter."""

    def build(folder):
        if folder.name == "training":
            (folder / "adapter").mkdir(exist_ok=True)
            (folder / "adapter" / "adapter_config.json").write_text("{}")
        return rows

    return build


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """A test that reaches for the network fails; sockets of this machine are free."""

    def guarded(connect):
        def connected(self, address):
            if self.family != socket.AF_UNIX and address[0] not in LOOPBACK:
                raise AssertionError(f"a test tried to reach {address}")
            return connect(self, address)

        return connected

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))


@pytest.fixture
def one_core(monkeypatch):
    """Work stays in this process: what a test replaces is replaced there too, and nothing is spawned."""
    monkeypatch.setattr("laudo.store.spread.workers", lambda: 1)


@pytest.fixture
def tiny():
    """The tiny experiment as `Experiment.model_validate` takes it, to be changed before."""
    return tomllib.loads(TINY)


@pytest.fixture(scope="session")
def phantom_tree(tmp_path_factory):
    """A phantom of a dozen studies with pictures of 64 pixels; not to be changed, see `phantom_copy`."""
    from laudo.phantom import corpus

    folder = tmp_path_factory.mktemp("phantom")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("laudo.store.spread.workers", lambda: 1)
        for _ in corpus.write(folder, **DOZEN):
            pass
    return folder


@pytest.fixture
def phantom_copy(phantom_tree, tmp_path) -> Path:
    """A copy of its `mimic/` folder that a test may damage."""
    return Path(shutil.copytree(phantom_tree / "mimic", tmp_path / "mimic"))


# --- the command line ---------------------------------------------------------------------------------------


class Ended:
    """How a command ended: exit code, standard output, standard error."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def laudo(monkeypatch, capsys, one_core):
    """Runs a command in this process, as `laudo ...` does."""

    from laudo import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["laudo", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(ended.value.code or 0, *capsys.readouterr())

    return run


def assert_one_message(ended, *words):
    assert ended.code == 2
    assert ended.err.startswith("laudo: ") and ended.err.count("laudo: ") == 1
    assert "Traceback" not in ended.err + ended.out
    for word in words:
        assert word in ended.err
