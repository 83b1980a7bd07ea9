"""Models by name: a hub id, a folder, or `phantom:NAME`; and what identifies one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from laudo.errors import InputError

_WHOLE_BYTES = 64 * 2**20
_SMALL = 20_000_000
_SAMPLE_BYTES = 2**16
_SAMPLES = 64
_SUFFIXES = (".json", ".safetensors", ".bin", ".jinja", ".model", ".txt")


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

    Of a file over 64 MiB 64 samples count, spread evenly, so that looking at a plan stays quick: training moves
    every weight, and leaves the size as it was.
    """
    path = folder(name)
    if path is None:
        return f"{name}@{revision or 'main'}"
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


def spare_threads(weights: int) -> None:
    """One thread for a small model on a CPU: more cost more than they bring.

    Beside another busy process, two spinning threads made the demo's translations twenty times slower.
    It is set wherever a model is loaded, so that a stage computes the same alone and in a whole run.
    """
    import torch

    if weights < _SMALL:
        torch.set_num_threads(1)
