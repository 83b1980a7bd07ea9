"""The training loop of the small models: AdamW, warm-up, a cosine over some minutes, saved as it goes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch


def train(
    parameters: list[torch.nn.Parameter],
    loss_of_step: Callable[[int], torch.Tensor],
    *,
    minutes: float,
    rate: float,
    save: Callable[[], None],
    log: Path,
    measure: Callable[[], dict[str, float]] | None = None,
    warm_up: int = 100,
) -> None:
    """Trains until the minutes (process time over threads) are over; saves and measures at every tenth."""
    optimizer = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    start, step, tenth, recent = time.process_time(), 0, 0, 0.0
    while (spent := (time.process_time() - start) / torch.get_num_threads() / 60) < minutes:
        part = spent / minutes
        now = rate * min(1.0, (step + 1) / warm_up) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * part)))
        for group in optimizer.param_groups:
            group["lr"] = now
        loss = loss_of_step(step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        recent += (loss.item() - recent) * max(0.02, 1 / step)
        if part * 10 >= tenth + 1:
            tenth = int(part * 10)
            save()
            row = {
                "step": step,
                "minutes": round(spent, 2),
                "loss": round(recent, 4),
                **(measure() if measure else {}),
            }
            with log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)
    save()
