"""An experiment: one TOML file as typed settings. An unknown key is refused with the nearest valid name."""

from __future__ import annotations

import difflib
import os
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator

from laudo import prompts
from laudo.errors import ExperimentError, InputError


class Settings(BaseModel):
    """A section of an experiment: frozen, and nothing in it that is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Phantom(Settings):
    """The corpus is the phantom, written into the run's folder before anything else."""

    studies: int = Field(gt=0)
    seed: int = 0
    image_size: int = Field(512, ge=64)
    proportions: tuple[float, float, float] = (60, 10, 30)
    """train, validate, test"""

    @model_validator(mode="after")
    def _some_split(self) -> Phantom:
        if min(self.proportions) < 0 or not sum(self.proportions):
            raise ValueError("proportions: three shares, not all of them 0")
        return self


class Corpus(Settings):
    """Where MIMIC-CXR is: a folder in PhysioNet's layout. `LAUDO_MIMIC` stands in for an absent `root`."""

    root: Annotated[str, Field(min_length=1)] | None = None
    reports: Annotated[str, Field(min_length=1)] | None = None
    """`mimic-cxr-reports.zip`, or the folder it was unpacked into, where that is not `root`."""
    phantom: Phantom | None = None


class Prepare(Settings):
    """Which studies, what of their reports, and how their images are kept."""

    train: int | None = Field(None, ge=0)
    """Studies of the split to take; all of them when absent."""
    validate_: int | None = Field(None, ge=0, alias="validate")
    test: int | None = Field(None, ge=0)
    seed: int = 0
    subset: Literal["random", "balanced", "first_positive"] = "random"
    """How they are taken: `balanced` fills CheXpert's labels evenly, a study counting for each it has;
    `first_positive` is the original study's rule, by which it counts for its first label alone."""
    uncertain: Literal["negative", "positive", "leave_out"] = "negative"
    """What an uncertain CheXpert label counts as when labels are filled; `leave_out` takes no such study."""
    same_report: Literal["apart", "keep"] = "apart"
    """Whether a report that also stands, word for word, in a split taken before (test, then validate) is used."""
    target: Literal["both", "findings", "impression"] = "both"
    """`both` takes findings and impression where present, else the last paragraph or the whole report."""
    priors: Literal["keep", "remove", "supply"] = "keep"
    """Sentences that compare with an earlier study; `supply` keeps them and shows the prior's text to the model."""
    communication: Literal["keep", "remove"] = "remove"
    """Sentences on who was told of the findings."""
    identifiers: Literal["keep", "remove"] = "remove"
    """The marks `___` that de-identification left, and sentences that say nothing without them."""
    images: Literal["keep", "none"] = "keep"
    """`none` is for work on the text alone."""
    size_px: int = Field(896, ge=32)
    """Longest side of the images kept, their aspect unchanged."""
    max_images: int = Field(2, ge=1)
    dicom: Literal["window", "mimic_jpg"] = "window"
    """How a DICOM becomes 8-bit grey: through its window, or as MIMIC-CXR-JPG was made (equalised)."""

    def size_of(self, split: str) -> int | None:
        size: int | None = getattr(self, "validate_" if split == "validate" else split)
        return size


class Model(Settings):
    """A model by hub id, local path, or `phantom:NAME` for one of the small models of the package."""

    model: str
    revision: str | None = None
    load_in_4bit: bool = False
    batch_size: int = Field(8, ge=1)


class Translate(Model):
    prompt: str = prompts.TRANSLATE
    max_new_tokens: int = Field(512, ge=1)


class Train(Model):
    """LoRA of the model that generates; the defaults are the study's."""

    prompt: str = prompts.REPORT
    r: int = Field(16, ge=1)
    alpha: int = Field(16, ge=1)
    dropout: float = Field(0.05, ge=0, lt=1)
    targets: Literal["language", "all-linear"] = "all-linear"
    epochs: float = Field(4, gt=0)
    learning_rate: float = Field(2e-4, gt=0)
    warmup_ratio: float = 0.03
    max_grad_norm: float = 0.3
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    batch_size: int = Field(1, ge=1)
    gradient_accumulation: int = Field(16, ge=1)
    evaluations: int = Field(5, ge=1)
    """How often validation is run; each saves a checkpoint, and the best one is kept."""
    gradient_checkpointing: bool = True
    seed: int = 0


class Generate(Model):
    max_new_tokens: int = Field(512, ge=1)
    geometry: Literal["pad", "squash"] = "pad"


class Arm(Settings):
    """One way of writing the reports of the test split; what is absent comes from `[generate]`."""

    prompt: str | None = None
    """The prompt it was tuned with for an arm with the adapter, else the study's."""
    adapter: bool = False
    exemplars: NonNegativeInt | tuple[int, ...] = 0
    """How many training reports the prompt shows, or the study_ids of those it shows."""
    pictures: Literal["own", "another_patient"] = "own"
    """`another_patient` is a control: the report is scored against a study whose pictures it never saw."""


class Encoder(Settings):
    model: str
    revision: str | None = None
    layer: int = Field(ge=1)


class Evaluate(Settings):
    bertscore_pt: Encoder
    bertscore_en: Encoder
    resamples: int = Field(2000, ge=100)
    seed: int = 0
    batch_size: int = Field(32, ge=1)


class Report(Settings):
    examples: int = Field(6, ge=0)
    note: str = ""
    """A sentence to show at the top of the page, in Portuguese."""


class Experiment(Settings):
    """A whole study. `name` names its folder, `runs/<name>`."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    mimic: Corpus = Corpus()
    prepare: Prepare = Field(default_factory=lambda: Prepare.model_validate({}))
    translate: Translate
    train: Train
    generate: Generate
    arms: dict[str, Arm]
    evaluate: Evaluate
    report: Report = Field(default_factory=lambda: Report.model_validate({}))

    @model_validator(mode="after")
    def _arms_are_named(self) -> Experiment:
        if not self.arms:
            raise ValueError("an experiment needs at least one arm, for example [arms.zero_shot]")
        for name in self.arms:
            if not name.replace("_", "").isalnum():
                raise ValueError(f"arm '{name}': letters, digits and _ only")
            if name in ("en", "pt"):
                raise ValueError(f"arm '{name}': en and pt are the references, give it another name")
        return self

    @model_validator(mode="after")
    def _adapter_fits(self) -> Experiment:
        asked, tuned = self.generate, self.train
        same = all(
            getattr(asked, name) == getattr(tuned, name) for name in ("model", "revision", "load_in_4bit")
        )
        if any(arm.adapter for arm in self.arms.values()) and not same:
            raise ValueError(
                f"an arm has the adapter of '{tuned.model}', but [generate] asks '{asked.model}': name one model in both"
                ", with the same revision and load_in_4bit"
            )
        return self

    def prompt_of(self, arm: str) -> str:
        """The arm's prompt; a tuned arm is asked as it was trained."""
        settings = self.arms[arm]
        return settings.prompt or (self.train.prompt if settings.adapter else prompts.REPORT)

    def require_images(self) -> None:
        """Refuses to go on from a preparation that keeps no images.

        Raises:
            ExperimentError: `[prepare] images = "none"`.
        """
        if self.prepare.images == "none":
            raise ExperimentError(
                "this experiment prepares text alone, and a report is written from images",
                mend='set [prepare] images = "keep"',
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
                mend="set [mimic] root in the experiment, or LAUDO_MIMIC=FOLDER",
            )
        return Path(root).expanduser()

    def reports_root(self) -> Path | None:
        """Where the reports are, None where they are in the corpus's own folder."""
        return Path(self.mimic.reports).expanduser() if self.mimic.reports else None


def shipped() -> list[str]:
    """The experiments that come with the package."""
    return sorted(
        p.name.removesuffix(".toml") for p in files("laudo.experiments").iterdir() if p.name.endswith(".toml")
    )


def load(name: str) -> Experiment:
    """Reads an experiment from a path or by the name of one that is shipped.

    Raises:
        ExperimentError: no such file, not TOML, or settings that are not right; all of them at once.
    """
    try:
        return Experiment.model_validate(tomllib.loads(_source(name).read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ExperimentError(f"this is not TOML: {error}", where=name) from None
    except ValidationError as error:
        lines = [_explain(e) for e in error.errors()]
        raise ExperimentError(
            "; ".join(lines), where=name, mend="correct the setting and run the command again"
        ) from None


def _source(name: str) -> Traversable:
    path = Path(name)
    if path.suffix != ".toml" and name in shipped():
        return files("laudo.experiments").joinpath(f"{name}.toml")
    if path.is_file():
        return path
    raise ExperimentError(
        f"there is no experiment '{name}'",
        mend=f"give the path of a TOML file, or one of: {', '.join(shipped())}",
    )


def _explain(error: Any) -> str:
    where = [str(part) for part in error["loc"]]
    if error["type"] != "extra_forbidden":
        return f"{'.'.join(where) or 'experiment'}: {error['msg']}"
    near = difflib.get_close_matches(where[-1], _names(where[:-1]), n=1)
    return f"{'.'.join(where)}: no such setting" + (f", did you mean '{near[0]}'?" if near else "")


def _names(section: list[str]) -> list[str]:
    """The settings that a section may hold."""
    if section[:1] == ["arms"] and len(section) == 2:
        return list(Arm.model_fields)
    model: Any = Experiment
    for part in section:
        annotation = model.model_fields[part].annotation
        model = next(
            (
                a
                for a in getattr(annotation, "__args__", (annotation,))
                if isinstance(a, type) and issubclass(a, BaseModel)
            ),
            annotation,
        )
    return [field.alias or name for name, field in model.model_fields.items()]
