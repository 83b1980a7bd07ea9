"""Opens an engine for a model: the one place that knows which engines there are."""

from __future__ import annotations

from pathlib import Path

from laudo.engines.protocol import Engine
from laudo.engines.settings import Model


def open_engine(settings: Model, *, batch_size: int, adapter: Path | None = None) -> Engine:
    """Loads a model and returns the engine that answers with it.

    Args:
        settings: which model.
        batch_size: chats that are answered together.
        adapter: folder of a LoRA adapter to put on the model.

    Raises:
        InputError: the model is not on this machine, or cannot be loaded.
    """
    from laudo.engines.in_process import InProcessEngine

    return InProcessEngine(settings, batch_size=batch_size, adapter=adapter)
