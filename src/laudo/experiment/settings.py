"""An experiment as typed settings. Packages declare their own sections; those of the stages are here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, create_model, model_validator

from laudo.engines import messages
from laudo.engines.settings import Model, Reporter
from laudo.errors import ExperimentError, InputError
from laudo.metrics import METRICS, Metric
from laudo.mimic.settings import CorpusSettings
from laudo.phantom.settings import Phantom
from laudo.settings import Settings
from laudo.vocabulary import SPLITS, DicomRecipe, Language

PositiveInt = Annotated[int, Field(ge=1)]

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""What may name an experiment, and so the folder of its run."""


class Mimic(CorpusSettings):
    """Where the corpus is, or how large a phantom stands in for it."""

    phantom: Phantom | None = None


class Prepare(Settings):
    """Which studies, what of their reports, and how their images are cached."""

    train: int | None = Field(None, ge=0)
    """Studies of the split to use; all of them when absent."""
    validate_: int | None = Field(None, ge=0, alias="validate")
    test: int | None = Field(None, ge=0)
    seed: int = 0
    subset: Literal["random", "balanced", "first_positive"] = "random"
    """How they are chosen: `balanced` fills CheXpert's labels evenly, a study counting for each label it has;
    `first_positive` is the original study's rule, by which a study counts for its first label alone."""
    uncertain: Literal["negative", "positive", "leave_out"] = "negative"
    """What an uncertain CheXpert label counts as when labels are filled; `leave_out` uses no such study."""
    same_report: Literal["apart", "keep"] = "apart"
    """`apart` excludes a report that also stands, word for word, in a split chosen before: test is chosen
    first, then validate, then train. `keep` uses it."""
    target: Literal["both", "findings", "impression"] = "both"
    """`both` is findings and impression if a report has them, else its last paragraph or all of it."""
    priors: Literal["keep", "remove", "supply"] = "keep"
    """Sentences that compare with an earlier study. `supply` keeps them and shows the model its report."""
    communication: Literal["keep", "remove"] = "remove"
    """Sentences on who was informed of the findings."""
    identifiers: Literal["keep", "remove"] = "remove"
    """The marks `___` that de-identification left, and sentences that say nothing without them."""
    images: Literal["keep", "none"] = "keep"
    """`none` is for work on the text alone."""
    size_px: int = Field(896, ge=32)
    """Longest side of the cached images; their aspect is unchanged."""
    max_images: PositiveInt = 2
    dicom: DicomRecipe = "window"
    """How a DICOM becomes 8-bit grey: through its window, or as MIMIC-CXR-JPG was made (equalised)."""

    def size_of(self, split: str) -> int | None:
        """How many studies of a split to use; None for all."""
        size: int | None = getattr(self, "validate_" if split == "validate" else split)
        return size


class Translate(Model):
    """The model that translates, and how it is asked."""

    prompt: str = messages.TRANSLATE
    batch_size: PositiveInt = 8
    max_new_tokens: PositiveInt = 512


class Train(Settings):
    """LoRA of the reporting model; the defaults are those of the paper."""

    prompt: str = messages.REPORT
    r: PositiveInt = 16
    alpha: PositiveInt = 16
    dropout: float = Field(0.05, ge=0, lt=1)
    targets: Literal["language", "all-linear"] = "all-linear"
    epochs: float = Field(4, gt=0)
    learning_rate: float = Field(2e-4, gt=0)
    warmup_ratio: float = Field(0.03, ge=0, lt=1)
    max_grad_norm: float = Field(0.3, gt=0)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    batch_size: PositiveInt = 1
    gradient_accumulation: PositiveInt = 16
    evaluations: PositiveInt = 5
    """At least how often validation is run; each time saves a checkpoint, and the best is the adapter."""
    gradient_checkpointing: bool = True
    seed: int = 0


class Generate(Settings):
    """How the reporting model is asked for the reports of the test split."""

    batch_size: PositiveInt = 8
    max_new_tokens: PositiveInt = 512


class Arm(Settings):
    """One way of writing the reports of the test split."""

    prompt: str | None = None
    """If it is absent: the prompt of the training for an arm with the adapter, else that of the paper."""
    adapter: bool = False
    exemplars: NonNegativeInt | tuple[int, ...] = 0
    """How many training reports the prompt shows, or the study_ids of those it shows."""
    pictures: Literal["own", "another_patient"] = "own"
    """`another_patient` is a control: the report is scored against a study whose pictures it never saw."""


class EvaluateBase(Settings):
    """How scores are made and summed; each metric that has settings has a section of its own in here."""

    resamples: int = Field(2000, ge=100)
    """Bootstrap resamples of patients, and randomisations of a test."""
    seed: int = 0
    batch_size: PositiveInt = 32

    def of_metric(self, metric: Metric) -> Any:
        """The settings of a metric; None where it has none."""
        return getattr(self, metric.name) if metric.settings else None


if TYPE_CHECKING:

    class Evaluate(EvaluateBase): ...
else:
    Evaluate = create_model(
        "Evaluate",
        __base__=EvaluateBase,
        **{metric.name: (metric.settings, ...) for metric in METRICS if metric.settings},
    )


class Page(Settings):
    """The results page."""

    language: Language = "pt"
    examples: NonNegativeInt = 6
    """How many test studies it shows with images and reports."""
    note: str = ""
    """A sentence to show at its top."""


class Experiment(Settings):
    """A whole study. `name` names its folder, `runs/<name>`."""

    name: str = Field(pattern=NAME)
    mimic: Mimic = Mimic()
    prepare: Prepare = Field(default_factory=lambda: Prepare.model_validate({}))
    translate: Translate
    reporter: Reporter
    train: Train = Field(default_factory=lambda: Train.model_validate({}))
    generate: Generate = Field(default_factory=lambda: Generate.model_validate({}))
    arms: dict[str, Arm]
    evaluate: Evaluate
    report: Page = Field(default_factory=lambda: Page.model_validate({}))

    @model_validator(mode="after")
    def _arms_have_names(self) -> Experiment:
        if not self.arms:
            raise ValueError("an experiment needs at least one arm, for example [arms.zero_shot]")
        for name in self.arms:
            if not name.replace("_", "").isalnum():
                raise ValueError(f"arm '{name}': letters, digits and _ only")
            if name in ("en", "pt"):
                raise ValueError(f"arm '{name}': en and pt are the references, give it another name")
        return self

    @property
    def is_tuned(self) -> bool:
        """Whether an arm has the adapter, so that there is something to train."""
        return any(arm.adapter for arm in self.arms.values())

    @property
    def controls(self) -> tuple[str, ...]:
        """The arms that see the pictures of another patient."""
        return tuple(name for name, arm in self.arms.items() if arm.pictures == "another_patient")

    @property
    def splits_needed(self) -> tuple[str, ...]:
        """The splits that its arms need: test, and for the adapter or exemplars those that they come from."""
        if self.prepare.images == "none":
            return ()
        if self.is_tuned:
            return SPLITS
        has_exemplars = any(arm.exemplars for arm in self.arms.values())
        return ("train", "test") if has_exemplars else ("test",)

    def require_splits(self) -> None:
        """Refuses to run where a split that is needed is set to 0 on purpose.

        Raises:
            ExperimentError: it names the splits.
        """
        empty = [split for split in self.splits_needed if self.prepare.size_of(split) == 0]
        if empty:
            raise ExperimentError(
                f"[prepare] {', '.join(empty)} = 0, and the arms of this experiment need such studies",
                fix="raise the number, or remove the arms with adapter or exemplars",
            )

    def prompt_of(self, arm: str) -> str:
        """The arm's prompt; a tuned arm is asked as it was trained."""
        settings = self.arms[arm]
        return settings.prompt or (self.train.prompt if settings.adapter else messages.REPORT)

    def require_images(self) -> None:
        """Refuses to go on from a preparation that caches no images.

        Raises:
            ExperimentError: `[prepare] images = "none"`.
        """
        if self.prepare.images == "none":
            raise ExperimentError(
                "this experiment prepares text alone, and a report is written from images",
                fix='set [prepare] images = "keep"',
            )

    def corpus_root(self, run: Path) -> Path:
        """The folder in MIMIC's layout.

        Raises:
            InputError: none is named.
        """
        if self.mimic.phantom:
            return run / "phantom" / "mimic"
        root = self.mimic.root or os.environ.get("LAUDO_MIMIC")
        if not root:
            raise InputError(
                "no MIMIC-CXR folder is named",
                fix="set [mimic] root in the experiment, or LAUDO_MIMIC=FOLDER",
            )
        return Path(root).expanduser()

    def reports_root(self) -> Path | None:
        """Where the reports are, None where they are in the corpus's own folder, as a phantom's are."""
        if self.mimic.phantom:
            return None
        reports = self.mimic.reports or os.environ.get("LAUDO_REPORTS")
        return Path(reports).expanduser() if reports else None
