"""The data files of this room: what is in them, and a digest that changes with every byte of them."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from laudo.hashing import digest_of_files

_CHECKS = "checks.toml"
_REPAIRS = "repairs.toml"


def data_folder() -> Traversable:
    """Returns the folder that holds the data files."""
    return files(__package__)


@cache
def check_data() -> dict[str, Any]:
    """Returns `checks.toml`: by the name of a check, the words and limits that it uses."""
    return _load(_CHECKS)


@cache
def repair_data() -> dict[str, Any]:
    """Returns `repairs.toml`: the patterns of preface, postface and markdown."""
    return _load(_REPAIRS)


def checks_digest() -> str:
    """Returns a digest of `checks.toml` (`hashing.digest_of_files`)."""
    return digest_of_files({_CHECKS: data_folder() / _CHECKS})


def repairs_digest() -> str:
    """Returns a digest of `repairs.toml` (`hashing.digest_of_files`)."""
    return digest_of_files({_REPAIRS: data_folder() / _REPAIRS})


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads(data_folder().joinpath(name).read_text("utf-8"))
