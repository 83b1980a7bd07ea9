"""Whether a prepared corpus has the studies that an experiment needs, and if not, why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from laudo.census import Census
from laudo.errors import NotReady
from laudo.experiment.plan import Plan
from laudo.prepare.missing import missing_images
from laudo.store import rows
from laudo.vocabulary import Exclusion, kind

_REASONS = 3
"""The reasons that a message names: the commonest ones."""

_FILES = "fetch or correct these files; the same command then looks at them again"
_FIXES: Mapping[str, str] = {
    Exclusion.NO_IMAGE: "take the metadata table that belongs to this split table",
    Exclusion.NO_SPLIT: "take the split table that belongs to this metadata table",
    Exclusion.NO_REPORT: "set [mimic] reports, or LAUDO_REPORTS, to the zip or the folder of these reports",
    Exclusion.EMPTY_REPORT: _FILES,
    Exclusion.DAMAGED_REPORT: _FILES,
    Exclusion.IMAGE_FILE_MISSING: _FILES,
    Exclusion.UNREADABLE_IMAGE: _FILES,
    Exclusion.NO_USABLE_SECTION: 'set [prepare] target = "both"',
    Exclusion.NOTHING_LEFT: 'set [prepare] communication, priors or identifiers to "keep"',
    Exclusion.NO_LABEL_ROW: 'set [prepare] subset = "random"',
    Exclusion.NO_POSITIVE_LABEL: 'set [prepare] subset = "balanced"',
    Exclusion.UNCERTAIN_LABEL: 'set [prepare] uncertain = "negative"',
    Exclusion.SAME_REPORT_IN_TEST: 'set [prepare] same_report = "keep"',
    Exclusion.SAME_REPORT_IN_VALIDATE: 'set [prepare] same_report = "keep"',
    Exclusion.OUTSIDE_SUBSET: "raise the numbers of studies under [prepare]",
}
"""What is to be done where a reason is the commonest one."""


def require(plan: Plan) -> None:
    """Refuses to end well where a split that the experiment needs has no study, unless it is set to 0.

    Raises:
        NotReady: with the commonest reasons.
    """
    settings = plan.experiment.prepare
    used = Census(rows(plan.census)).used
    if not any(used.values()):
        missing = [split for split in used if settings.size_of(split) != 0]
    else:
        missing = [
            split
            for split in plan.experiment.splits_needed
            if not used[split] and settings.size_of(split) != 0
        ]
    if missing:
        raise _nothing_to_use(plan, missing, any_used=any(used.values()))


def _nothing_to_use(plan: Plan, splits: Sequence[str], *, any_used: bool) -> NotReady:
    studies = rows(plan.studies, columns=["split", "excluded"])
    reasons = [study["excluded"] for study in studies if not any_used or study["split"] in splits]
    what = f"no {' and no '.join(splits)} study can be used" if any_used else "no study can be used"
    if not reasons:
        return NotReady(
            f"{what}: the corpus has none",
            where=str(plan.studies.folder),
            fix="add such studies to the corpus, or remove the arms with adapter or exemplars",
        )
    common = Counter(reasons).most_common(_REASONS)
    named = "; ".join(f"{count:,} of {len(reasons):,}: {reason}" for reason, count in common)
    (commonest, _), *_ = Counter(map(kind, reasons)).most_common(1)
    where = str(plan.studies.folder)
    if commonest == Exclusion.IMAGE_FILE_MISSING:
        where = missing_images(plan)[0]
    return NotReady(f"{what} ({named})", where=where, fix=_FIXES[commonest])
