"""Models by name: a hub id, a folder, or `phantom:NAME`; and what identifies one."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

from laudo.errors import InputError

_WHOLE_BYTES = 64 * 2**20


def folder(name: str) -> Path | None:
    """The folder of a local or phantom model; None for a hub id.

    Raises:
        InputError: a folder is meant and not there.
    """
    if name.startswith("phantom:"):
        path = Path(str(files("laudo.phantom").joinpath("models", name.removeprefix("phantom:"))))
    else:
        path = Path(name).expanduser()
        if not path.exists() and not name.startswith((".", "/", "~")) and name.count("/") == 1:
            return None
    if not (path / "config.json").is_file():
        raise InputError(
            f"there is no model '{name}'",
            where=str(path),
            mend="give a hub id (owner/name), or a folder that holds config.json",
        )
    return path


def source(name: str) -> str:
    """What `from_pretrained` is given."""
    return str(folder(name) or name)


def identity(name: str, revision: str | None) -> str:
    """What fixes a model's weights: hub id and revision, or a hash of the folder's files.

    A file over 64 MiB counts by name and size, so that looking at a plan stays quick.
    """
    path = folder(name)
    if path is None:
        return f"{name}@{revision or 'main'}"
    digest = hashlib.sha256()
    for file in sorted(
        p for p in path.iterdir() if p.suffix in (".json", ".safetensors", ".jinja", ".model", ".txt")
    ):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        if size <= _WHOLE_BYTES:
            digest.update(file.read_bytes())
    return f"{path.name}:{digest.hexdigest()[:16]}"
