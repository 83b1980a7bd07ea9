"""Checkpoints of a training: how they are written, and which of them can be gone on from.

A checkpoint is complete once its marker, which is written last, is there and each file is as it says there.
The library removes older checkpoints as it goes, and may be killed while it does.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from laudo.errors import LaudoError
from laudo.store import content
from laudo.store.disk import cannot_write, write_json, writing

_MARKER = "complete.json"
_STATE = "trainer_state.json"


class MarkComplete(TrainerCallback):  # type: ignore[misc]
    """Writes the marker of each checkpoint after it was saved."""

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Lists the files of the checkpoint in its marker, with size and digest."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_json(folder / _MARKER, {"files": content.of_files(folder)})


def last_complete(folder: Path) -> str | None:
    """Returns the newest complete checkpoint, None where there is none; others are removed.

    The best checkpoint so far, which becomes the adapter, must be complete too.
    """
    complete = set()
    for checkpoint in folder.glob("checkpoint-*"):
        if _is_complete(checkpoint):
            complete.add(checkpoint.name)
        else:
            shutil.rmtree(checkpoint)
    usable = [name for name in complete if _best(folder / name) in (None, *complete)]
    return str(folder / max(usable, key=_step)) if usable else None


def best_in(folder: Path, best: str | None) -> str | None:
    """Returns the best checkpoint where it is now: the run may have been moved since it was recorded."""
    return str(folder / Path(best).name) if best else None


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Turns what torch and safetensors raise if a file cannot be written into one message about `path`."""
    try:
        with writing(path):
            yield
    except SafetensorError as error:
        raise _no_room(path, error) from error
    except RuntimeError as error:
        # The name of the source file in which torch writes archives; it does not say what the system said.
        if "inline_container" not in str(error) and "PytorchStreamWriter" not in str(error):
            raise
        raise _no_room(path, error) from error


def _no_room(path: Path, error: Exception) -> LaudoError:
    known = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
    reason = next((os.strerror(each) for each in known if os.strerror(each) in str(error)), None)
    return cannot_write(path, reason or f"{os.strerror(errno.ENOSPC)}, or a limit is reached")


def _step(name: str) -> int:
    return int(name.removeprefix("checkpoint-"))


def _is_complete(checkpoint: Path) -> bool:
    recorded = _load(checkpoint / _MARKER).get("files")
    if not isinstance(recorded, dict) or not recorded:
        return False
    found = content.of_files(checkpoint)
    return all(found.get(name) == entry for name, entry in recorded.items())


def _best(checkpoint: Path) -> str | None:
    """The name of the best checkpoint until this one."""
    best = _load(checkpoint / _STATE).get("best_model_checkpoint")
    return Path(best).name if best else None


def _load(path: Path) -> Mapping[str, Any]:
    """What a JSON file holds; nothing where it is absent, damaged or no object."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
