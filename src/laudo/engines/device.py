"""Where models run on this machine. torch is imported when a function is called."""

from __future__ import annotations

_SMALL_WEIGHTS = 20_000_000


def device_name() -> str:
    """Returns torch's name of the device that models run on: `cuda` where there is a GPU, else `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def limit_threads(weights: int) -> None:
    """Uses one CPU thread for a small model, because more threads make it slower.

    Beside another busy process, two spinning threads made the demo's translations twenty times slower. It is
    called wherever a model is loaded, so that a stage computes the same alone and within `laudo run`.

    Args:
        weights: how many the model has.
    """
    import torch

    if weights < _SMALL_WEIGHTS:
        torch.set_num_threads(1)
