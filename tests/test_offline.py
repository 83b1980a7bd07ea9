"""Nothing is fetched unless the user's environment says so, whichever module comes first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import laudo

# The hub's library reads its environment once, when it is first imported; `laudo.train` imports it by way of peft.
SAID = "import laudo.train, huggingface_hub; print(huggingface_hub.is_offline_mode())"


@pytest.mark.parametrize(("asked", "offline"), [(None, "True"), ("0", "False")])
def test_the_hub_is_out_of_reach_unless_it_is_asked_for(asked, offline):
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    environment["PYTHONPATH"] = str(Path(laudo.__path__[0]).parent)
    if asked is not None:
        environment["HF_HUB_OFFLINE"] = asked
    done = subprocess.run([sys.executable, "-c", SAID], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == offline, done.stderr
