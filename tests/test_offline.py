"""Nothing is fetched unless the user's environment says so: not to load, to tune or to ask a model."""

import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import laudo
from laudo import phantom

# Every attempt to reach the network fails and is counted.
GUARD = """
import socket
attempts = []
def refuse(*address, **options):
    attempts.append(address)
    raise OSError("no network here")
socket.getaddrinfo = socket.socket.connect = socket.socket.connect_ex = refuse
"""

LOAD = """
from laudo.engines.loading import load
from laudo.engines.settings import Model
from laudo.errors import InputError
try:
    load(Model(model="owner/absent"))
except InputError as error:
    print(error.fix)
print("attempts:", len(attempts))
"""

# The small reporter as a model of the hub that is in the cache: it is tuned, its checkpoints and its adapter
# are saved, and it is asked with the adapter.
TUNE_AND_ASK = """
import os, sys, tomllib
from pathlib import Path
from conftest import TINY, finished, study_row
del os.environ["HF_HUB_OFFLINE"]  # conftest sets it
import numpy as np
from PIL import Image
from laudo import generate, store, train
from laudo.images import film_digest
from laudo.experiment import Experiment, plan
run = Path(sys.argv[1])
settings = tomllib.loads(TINY)
settings["reporter"]["model"] = "owner/reporter"
settings["arms"] = {"lora": {"adapter": True}}
study_plan = plan(Experiment.model_validate(settings), run)
(run / "images").mkdir(parents=True)
Image.fromarray(np.arange(2304, dtype=np.uint16).reshape(48, 48).astype(np.uint8)).save(run / "images/a.png")
image = {"dicom_id": "a", "view": "PA", "path": "images/a.png", "digest": film_digest(run / "images/a.png")}
splits = {1: "train", 2: "validate", 3: "test"}
studies = [study_row(study_id=n, subject_id=n, split=s, images=[image]) for n, s in splits.items()]
verdicts = [{"study_id": n, "verdict": "accepted", "sections_pt": {"findings": "Normal."}} for n in splits]
finished(study_plan, studies=studies, verdicts=verdicts, until="verdicts")
train.run(study_plan)
generate.run(study_plan)
print("reports:", len(store.rows(study_plan.generations["lora"])), "attempts:", len(attempts))
"""


def ended(program: str, *arguments: str, home: Path, offline: str | None = None) -> str:
    """What a process of its own prints; the hub's library reads its environment once, when it is imported."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    folders = (Path(laudo.__path__[0]).parent, Path(__file__).parent)
    environment |= {"PYTHONPATH": os.pathsep.join(map(str, folders)), "HF_HOME": str(home)}
    if offline is not None:
        environment["HF_HUB_OFFLINE"] = offline
    command = [sys.executable, "-c", GUARD + program, *arguments]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.parametrize(("offline", "tries"), [(None, False), ("1", False), ("0", True)])
def test_an_absent_model_is_sought_on_the_network_only_if_the_user_says_so(tmp_path, offline, tries):
    printed = ended(LOAD, home=tmp_path, offline=offline)
    assert "set HF_HUB_OFFLINE=0 to let it be fetched" in printed
    assert ("attempts: 0" not in printed) == tries


def test_a_model_of_the_hub_that_is_here_is_tuned_and_asked_without_the_network(tmp_path):
    repository = tmp_path / "home" / "hub" / "models--owner--reporter"
    shutil.copytree(str(files(phantom) / "models" / "reporter"), repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    printed = ended(TUNE_AND_ASK, str(tmp_path / "run"), home=tmp_path / "home")
    assert "reports: 1 attempts: 0" in printed


def test_importing_the_package_changes_no_setting_of_the_process(tmp_path):
    program = (
        "import os; before = dict(os.environ); import laudo, laudo.engines, laudo.generate, laudo.translate"
    )
    assert ended(f"{program}; print(dict(os.environ) == before)", home=tmp_path).strip() == "True"


def test_importing_the_libraries_with_training_leaves_the_hub_s_settings_as_they_are(tmp_path):
    program = "import laudo.train, os, huggingface_hub; print(huggingface_hub.is_offline_mode(), "
    program += (
        "[name for name in os.environ if name.startswith(('TOKENIZERS_', 'TRANSFORMERS_', 'HF_HUB_'))])"
    )
    assert ended(program, home=tmp_path).strip() == "False []"
