"""What a part says of its making, and what it does not."""

import getpass
import platform
import re
from pathlib import Path

import pytest

from conftest import finished
from laudo import store
from laudo.experiment.plan import plan
from laudo.experiment.settings import Experiment
from laudo.store import origin
from laudo.store.state import origins_of


def test_it_has_the_day_the_machine_and_the_versions_and_nothing_private() -> None:
    now = origin.now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", now["day"])
    assert now["versions"]["python"] == platform.python_version()
    assert {"laudo", "torch", "transformers", "peft"} <= now["versions"].keys()
    assert now["machine"]["processor"] and now["machine"]["cores"] >= 1 and now["machine"]["memory_gb"] >= 1
    assert platform.node() not in str(now) and str(Path.home()) not in str(now)
    assert getpass.getuser() not in str(now)


def test_a_table_knows_the_origins_of_its_parts_and_another_day_makes_nothing_stale(
    tiny: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid_out = plan(Experiment.model_validate(tiny), tmp_path)
    finished(laid_out, until="texts")
    assert origins_of(laid_out.texts) == [origin.now()]
    (laid_out.texts.folder / "done").unlink()
    monkeypatch.setattr("laudo.store.origin.now", lambda: {"day": "2031-02-03"})
    finished(laid_out, until="texts")  # `done` is written again, and no part is
    assert store.is_done(laid_out.texts) and origins_of(laid_out.texts)[0]["day"] != "2031-02-03"
