"""A new experiment as a TOML file: the shipped `default`, which explains every setting, with another name."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from itertools import count
from pathlib import Path

from laudo.errors import ExperimentError
from laudo.experiment.loading import shipped, source
from laudo.experiment.settings import NAME
from laudo.store.disk import atomic

_TEMPLATE = "default"
_SUFFIX = ".toml"


def write_new(file: str) -> None:
    """Writes an experiment that does what `default` does; its name is the file's.

    Raises:
        ExperimentError: the file exists, its folder does not, or its name cannot be that of an experiment.
        LaudoError: it cannot be written.
    """
    path = Path(file)
    name = path.name.removesuffix(_SUFFIX)
    _require_name(path, name)
    if os.path.lexists(path):
        raise ExperimentError(f"{path} exists", fix=_command(path, _free_name(path, name)))
    if not path.parent.is_dir():
        folder = shlex.quote(str(path.parent))
        raise ExperimentError("there is no folder for it", where=str(path), fix=f"mkdir -p {folder}")
    text = source(_TEMPLATE).read_text("utf-8")
    with atomic(path) as temporary:
        temporary.write_text(text.replace(f'\nname = "{_TEMPLATE}"\n', f'\nname = "{name}"\n'), "utf-8")


def _require_name(path: Path, name: str) -> None:
    """Refuses a file that is no TOML file, and a name that no experiment may have or that is taken."""
    if path.suffix != _SUFFIX:
        what = "the name of an experiment's file ends in .toml"
    elif not re.fullmatch(NAME, name):
        what = "an experiment has the name of its file: letters without accents, digits, and _ . - after them"
    elif name in shipped():
        what = f"'{name}' is an experiment that comes with laudo, and both would use the folder runs/{name}"
    else:
        return
    raise ExperimentError(what, where=str(path), fix=_command(path, _possible_name(name)))


def _possible_name(name: str) -> str:
    """Returns a name that can be one, near to this: without accents, with _ for what may not stand in it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    possible = re.sub(r"[^\w.-]+", "_", plain.strip()).lstrip("_.-") or "my"
    return f"my_{possible}" if possible in shipped() else possible


def _free_name(path: Path, name: str) -> str:
    names = (f"{name}_{number}" for number in count(2))
    return next(free for free in names if not os.path.lexists(path.with_name(free + _SUFFIX)))


def _command(path: Path, name: str) -> str:
    return f"laudo new {shlex.quote(str(path.with_name(name + _SUFFIX)))}"
