"""When, on what machine and with which versions something is made; without names of hosts, people or folders.

It decides no row and makes nothing stale. Every part carries it, and `done` has those of all parts.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from laudo import __version__

PACKAGES = ("torch", "transformers", "peft", "pyarrow", "numpy", "pillow")
"""The libraries that can change a number; those that are not installed are not recorded."""


def now() -> dict[str, Any]:
    """Returns the day (UTC), the processor with its cores and memory, the GPU and the versions.

    The GPU is null where this process has not loaded torch, or torch has no GPU.
    """
    day = datetime.now(UTC).date().isoformat()
    return {"day": day, "machine": {**_machine(), **_gpu()}, "versions": _versions()}


@cache
def _machine() -> dict[str, Any]:
    return {"processor": _processor(), "cores": os.cpu_count(), "memory_gb": _memory_gb()}


def _processor() -> str:
    try:
        described = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        described = ""
    name = re.search(r"^model name\s*:\s*(.+)$", described, re.M)
    return name[1].strip() if name else platform.machine()


def _memory_gb() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
    except (AttributeError, OSError, ValueError):  # a system without these names
        return None


def _gpu() -> dict[str, Any]:
    """The GPU that torch uses; torch is not imported for this."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return {"gpu": None, "gpu_memory_gb": None}
    memory = torch.cuda.get_device_properties(0).total_memory
    return {"gpu": torch.cuda.get_device_name(0), "gpu_memory_gb": round(memory / 1e9)}


@cache
def _versions() -> dict[str, str]:
    installed = {name: _version(name) for name in PACKAGES}
    own = {"laudo": __version__, "python": platform.python_version()}
    return own | {name: version for name, version in installed.items() if version}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
