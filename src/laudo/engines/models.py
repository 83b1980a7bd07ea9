"""Models by name (a hub id, a folder, or `phantom:NAME`), and what identifies one. It loads none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from laudo import phantom
from laudo.engines.settings import ModelName
from laudo.errors import InputError

_WHOLE_BYTES = 64 * 2**20
_SAMPLE_BYTES = 2**16
_SAMPLES = 64
_SUFFIXES = (".json", ".safetensors", ".bin", ".jinja", ".model", ".txt")


def folder(name: str) -> Path | None:
    """Returns the folder of a local or phantom model; None for a hub id.

    Raises:
        InputError: the name is one of a folder, and it holds no model.
    """
    if name.startswith("phantom:"):
        path = Path(str(files(phantom) / "models" / name.removeprefix("phantom:")))
    else:
        path = Path(name).expanduser()
        if _is_hub_id(name) and not path.exists():
            return None
    if not (path / "config.json").is_file():
        raise InputError(
            f"there is no model '{name}'",
            where=str(path),
            fix="give a hub id (owner/name), or a folder that holds config.json",
        )
    return path


def _is_hub_id(name: str) -> bool:
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))


def source(name: str) -> str:
    """Returns what `from_pretrained` takes for a model: its folder or its hub id."""
    return str(folder(name) or name)


def identity(settings: ModelName) -> str:
    """Returns what fixes a model's weights: hub id and revision, or name and digest of the folder.

    Nothing is loaded. A folder that is not there, or holds no model, is identified as such: what it made is
    then not up to date, and what needs it says so (`needs`).
    """
    try:
        path = folder(settings.model)
    except InputError:
        return f"{Path(settings.model).name}: not there"
    return f"{settings.model}@{settings.revision or 'main'}" if path is None else _folder_identity(path)


def _folder_identity(path: Path) -> str:
    """Returns the name of a model's folder, with a digest of its files.

    Of a file over 64 MiB 64 samples count, spread evenly, so that looking at a plan stays quick: training
    moves every weight, and leaves the size as it was.
    """
    digest = hashlib.sha256()
    for file in sorted(p for p in path.iterdir() if p.suffix in _SUFFIXES):
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        for content in _contents(file):
            digest.update(content)
    return f"{path.name}:{digest.hexdigest()[:16]}"


def _contents(file: Path) -> Iterator[bytes]:
    """The bytes of a file that count."""
    size = file.stat().st_size
    if size <= _WHOLE_BYTES:
        yield file.read_bytes()
        return
    with file.open("rb") as stream:
        for sample in range(_SAMPLES):
            stream.seek(size * sample // _SAMPLES)
            yield stream.read(_SAMPLE_BYTES)
