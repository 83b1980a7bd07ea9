"""The real reports of Open-i (Indiana University), in the folder that LAUDO_REAL_DATA names."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree


def reports(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the 3,955 reports: the name of the file, and the sections by name, in their order."""
    with tarfile.open(folder / "openi" / "NLMCXR_reports.tgz") as archive:
        for member in archive:
            if member.name.endswith(".xml"):
                nodes = ElementTree.parse(archive.extractfile(member)).iter("AbstractText")  # type: ignore[arg-type]
                yield member.name, {node.get("Label", ""): node.text or "" for node in nodes}
