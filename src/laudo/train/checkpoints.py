"""Checkpoints of a training: which of them can be gone on from.

A checkpoint is complete once its marker, which is written last, is there and names only files that are there
too. The library removes older checkpoints as it goes, and may be killed while it does.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from laudo.store.disk import write_json

_MARKER = "complete.json"


class MarkComplete(TrainerCallback):  # type: ignore[misc]
    """Writes the marker of each checkpoint after it was saved."""

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Lists the files of the checkpoint in its marker."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_json(folder / _MARKER, {"files": sorted(path.name for path in folder.iterdir())})


def last_complete(folder: Path) -> str | None:
    """Returns the newest complete checkpoint, None where there is none; incomplete ones are removed."""
    complete = []
    for checkpoint in folder.glob("checkpoint-*"):
        if _is_complete(checkpoint):
            complete.append(checkpoint)
        else:
            shutil.rmtree(checkpoint)
    return str(max(complete, key=_step)) if complete else None


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _is_complete(checkpoint: Path) -> bool:
    marker = checkpoint / _MARKER
    if not marker.exists():
        return False
    names = json.loads(marker.read_text("utf-8"))["files"]
    return all((checkpoint / name).exists() for name in names)
