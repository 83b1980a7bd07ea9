"""Preparation of text alone, from the zip to the finished table, on one core; beside the paper's method.

python benchmarks/prepare.py [--studies 227835] [--folder DIR]

Makes phantom trees of a quarter, a half and all of the studies (kept in DIR for another run), and for each runs
`laudo prepare` in a process of its own. On the largest, the join of the tables is then timed against the way of
the paper's code, written anew here from what it does: pandas rows one by one into nested dictionaries, each row
of labels searched split by split. That method reads no report.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from laudo.phantom import corpus

EXPERIMENT = """
name = "bench"
[mimic]
root = "{root}"
[prepare]
images = "none"
[translate]
model = "phantom:translator"
[reporter]
model = "phantom:reporter"
[arms.zero_shot]
[evaluate.bertscore_pt]
model = "phantom:encoder-pt"
layer = 2
[evaluate.bertscore_en]
model = "phantom:encoder-multilingual"
layer = 2
"""


class Cost(NamedTuple):
    seconds: float
    peak_mib: float


def alone(arguments: list[str]) -> Cost:
    """Wall time and peak memory of a Python process on one core."""
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        os.execv(sys.executable, [sys.executable, *arguments])
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"failed: {arguments}")
    return Cost(time.monotonic() - start, usage.ru_maxrss / 1024)


def tree(folder: Path, count: int) -> Path:
    root = folder / str(count)
    if not (root / "whole").exists():
        for _ in corpus.write(root, count=count, seed=1, proportions=corpus.MIMIC_PROPORTIONS, size_px=None):
            pass
        (root / "whole").touch()
    return root / "mimic"


def prepared(root: Path, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        experiment = Path(folder) / "bench.toml"
        experiment.write_text(EXPERIMENT.format(root=root))
        cost = alone(["-m", "laudo", "prepare", str(experiment), "--runs", folder])
    print(
        f"laudo prepare, {count:,} studies: {cost.seconds:.1f} s, {count / cost.seconds:,.0f} a second, peak {cost.peak_mib:,.0f} MiB"
    )


# --- the two ways to join the tables ----------------------------------------------------------------


def ours(root: Path) -> int:
    from laudo import mimic
    from laudo.mimic import studies

    return len(studies.index(mimic.open_corpus(root), reported={}))


def theirs(root: Path) -> int:
    """What the paper's `split_mimic.py` does with the split and label tables, without limits."""
    import pandas

    from laudo.vocabulary import LABELS, SPLITS

    frames = {
        name: pandas.read_csv(root / f"mimic-cxr-2.0.0-{name}.csv.gz")
        for name in ("split", "chexpert", "negbio")
    }
    found: dict[str, dict[str, dict[str, dict[str, list[str]]]]] = {split: {} for split in SPLITS}
    for _, row in frames["split"].iterrows():
        subject, study = f"p{row['subject_id']}", f"s{row['study_id']}"
        studies = found[row["split"]].setdefault(subject, {})
        studies.setdefault(study, {"images": []})["images"].append(
            f"files/{subject[:3]}/{subject}/{study}/{row['dicom_id']}.jpg"
        )
    for name in ("chexpert", "negbio"):
        for _, row in frames[name].iterrows():
            subject, study = f"p{int(row['subject_id'])}", f"s{int(row['study_id'])}"
            for split in found:
                if subject in found[split] and study in found[split][subject]:
                    found[split][subject][study][name] = [label for label in LABELS if row[label] == 1.0]
    return sum(len(studies) for subjects in found.values() for studies in subjects.values())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=227_835)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--join", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.join:
        print(f"{args.join}: {globals()[args.join](args.folder):,} studies joined")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        for count in (args.studies // 4, args.studies // 2, args.studies):
            prepared(tree(folder, count), count)
        root = tree(folder, args.studies)
        costs = {way: alone([__file__, "--join", way, "--folder", str(root)]) for way in ("ours", "theirs")}
    for way, cost in costs.items():
        print(f"joining the tables, {way}: {cost.seconds:.1f} s, peak {cost.peak_mib:,.0f} MiB")
    print(f"ratio: {costs['theirs'].seconds / costs['ours'].seconds:.1f}")


if __name__ == "__main__":
    main()
