"""Every stage on real radiographs and real reports in MIMIC's layout: nothing breaks, what is left out is named.

The pictures and the reports do not belong together and the models are the small ones, so no score is
looked at. Skipped where LAUDO_REAL_DATA is not set; its README gives the licences.
"""

import csv
import gzip
import json
import os
import subprocess
import sys
import textwrap
from itertools import groupby
from pathlib import Path

import pytest

import openi

REAL = os.environ.get("LAUDO_REAL_DATA")
pytestmark = pytest.mark.skipif(
    not REAL, reason="LAUDO_REAL_DATA is not set: no real radiographs and reports"
)

EXPERIMENT = """
name = "real"
[mimic]
root = "{root}"
[prepare]
size_px = 192
same_report = "keep"
[translate]
model = "phantom:translator"
batch_size = 16
max_new_tokens = 64
[reporter]
model = "phantom:reporter"
[train]
epochs = 1
batch_size = 2
gradient_accumulation = 2
evaluations = 1
gradient_checkpointing = false
[generate]
max_new_tokens = 48
[arms.zero_shot]
[arms.few_shot]
exemplars = 1
[arms.lora]
adapter = true
[evaluate]
resamples = 200
[evaluate.bertscore_pt]
model = "phantom:encoder-pt"
layer = 2
[evaluate.bertscore_en]
model = "phantom:encoder-multilingual"
layer = 2
"""


def reports() -> list[str]:
    """The shortest findings and impressions of Open-i, in MIMIC's form; the small translator knows few words."""
    found = []
    for _, texts in openi.reports(Path(REAL or "")):
        if texts.get("FINDINGS") and texts.get("IMPRESSION"):
            blocks = ("INDICATION", "FINDINGS", "IMPRESSION")
            found.append([f"{name}: {texts[name]}" for name in blocks if texts[name]])
    found.sort(key=lambda blocks: (len(" ".join(blocks)), blocks))
    rows = [
        [textwrap.fill(b, 78, initial_indent=" ", subsequent_indent=" ") for b in blocks] for blocks in found
    ]
    return ["\n \n".join([f"{'FINAL REPORT':^78}", *blocks]) + "\n" for blocks in rows]


def table(root: Path, name: str, rows: list[dict]) -> None:
    with gzip.open(root / f"mimic-cxr-2.0.0-{name}.csv.gz", "wt") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """One study for each patient and day; three more that cannot be used."""
    root = tmp_path_factory.mktemp("mimic")
    with (Path(REAL or "") / "radiographs" / "ATTRIBUTION.csv").open() as file:
        films = sorted(
            csv.DictReader(file), key=lambda f: (int(f["patient"]), int(f["day_offset"] or 0), f["filename"])
        )
    studies = [list(group) for _, group in groupby(films, key=lambda f: (f["patient"], f["day_offset"]))]
    patients = sorted({f["patient"] for f in films}, key=int)
    texts, metadata, splits = reports(), [], []
    for number, study in enumerate([*studies, *studies[:3]]):
        extra = number - len(studies)  # 0, 1 and 2: the three that cannot be used
        place = patients.index(study[0]["patient"])
        subject, study_id = 10_000_000 + place, 50_000_000 + number
        folder = root / "files" / f"p{str(subject)[:2]}" / f"p{subject}" / f"s{study_id}"
        folder.mkdir(parents=True)
        for film in study:
            dicom = f"{film['filename'].removesuffix('.jpg')}-{number:08x}-00000000-00000000-00000000"
            keys = {"dicom_id": dicom, "subject_id": subject, "study_id": study_id}
            metadata.append(
                {
                    **keys,
                    "ViewPosition": film["view"].split()[0],
                    "Rows": 2000,
                    "Columns": 2000,
                    "StudyDate": 21500101,
                    "StudyTime": 101010.0,
                }
            )
            splits.append({**keys, "split": ("train", "train", "test", "validate")[place % 4]})
            content = (Path(REAL or "") / "radiographs" / film["filename"]).read_bytes()
            (folder / f"{dicom}.jpg").write_bytes(content[: 5000 if extra == 0 else None])
        if extra != 1:
            (folder.parent / f"s{study_id}.txt").write_text("" if extra == 2 else texts[number])
    table(root, "metadata", metadata)
    table(root, "split", splits)
    return root


def test_every_stage_on_real_input(tree, tmp_path):
    experiment = tmp_path / "real.toml"
    experiment.write_text(EXPERIMENT.format(root=tree))
    command = [sys.executable, "-m", "laudo"]
    prepared = subprocess.run(
        [*command, "prepare", str(experiment)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert prepared.returncode == 0, prepared.stderr
    for reason in ("no report", "empty report", "unreadable image"):
        assert f"left out: 1 ({reason})" in prepared.stdout
    ran = subprocess.run(
        [*command, "run", str(experiment)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    results = json.loads((tmp_path / "runs/real/results.json").read_text())
    assert set(results["arms"]) == {"zero_shot", "few_shot", "lora"}
    assert {why: sum(by.values()) for why, by in results["corpus"]["excluded"].items()} == {
        "no report": 1,
        "empty report": 1,
        "unreadable image": 1,
    }
    assert (tmp_path / "runs/real/results.html").stat().st_size > 50_000
