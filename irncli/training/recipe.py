"""A recipe: everything that decides what a training run makes, as one TOML file."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from irncli.errors import TrainingError
from irncli.nn.network import NetworkConfig

FORMS = ("l1", "charbonnier", "l2", "log")
GUIDES = (*FORMS, "hinge")
LEAST_SITES = 12
"""Pixels of the small picture a side, with patches of any scale: a file's smaller ones are padded."""
LATENTS = ("zero", "sampled", "measured")


@dataclass(frozen=True)
class LossConfig:
    """Means over all elements (or ``sums``), pictures in [0, 1]."""

    hr: str = "l1"
    """``l1``, ``charbonnier`` (epsilon 1e-3), ``l2`` or ``log``: of each patch the logarithm of its root mean
    square, which is what a mean over pictures of decibels counts."""
    hr_weight: float = 1.0
    """Near the end an ``l2`` is 30 times smaller than an ``l1``: this keeps it beside the other terms."""
    luma_weight: float = 0.0
    """Weight on the same distance in BT.601 luma alone, beside the three colours: the eye sees detail there,
    and the published figures are of luma."""
    colour_weight: float = 0.0
    """Weight on the squared error of the restored colours, their luma taken out: a faint error everywhere
    costs little, one blotch of false colour much."""
    square_weight: float = 0.0
    """Weight on the squared error of the restored picture beside an ``hr`` of another form: a logarithm all
    but forgets the patches that are thrown furthest off."""
    absolute_weight: float = 0.0
    """Weight on the absolute error of the restored picture, its luma's counted half as much once more: by it
    letters and screens are learnt, which are far off."""
    guide: str = "l2"
    """Form of the term that holds the small picture to bicubic: one of the same forms, or ``hinge``: ``log``
    as far as a patch is further off than ``guide_db``, nothing for one that is not."""
    guide_db: float = 37.0
    guide_luma_db: float = 42.0
    """Where the hinge begins in luma, in dB, with a ``guide_luma_weight``."""
    guide_weight: float = 1.0
    guide_luma_weight: float = 0.0
    """Extra weight on the same distance in BT.601 luma alone: what a likeness of structure (SSIM-Y) sees."""
    guide_square_weight: float = 0.0
    """Weight on the squared distance beside a guide of another form, for the same reason."""
    mean_weight: float = 0.0
    """Weight on the squared error of the small picture's 3x3 means: that of a checkerboard is grey."""
    plain_weight: float = 0.0
    """Weight on the small picture's error where bicubic is one plain colour, beyond 0.3 of a level: what is
    plain stays so, and a file of it small."""
    chroma_weight: float = 0.0
    """Extra weight on the small picture's colour differences, low-passed by 3x3: coloured stripes."""
    tint_weight: float = 0.0
    """Weight on what the same differences have above 3 grey levels, to the first power: a tint that the eye
    sees costs much, the faint colour that carries detail everywhere nothing."""
    range_weight: float = 0.0
    """Weight on squared samples outside [0, 1], which the grid would clip."""
    clip_gradient: bool = False
    """Whether samples that the grid clips learn nothing from what is restored: nothing of it is theirs."""
    most: float = 0.0
    """What one patch may cost; one that costs more has its gradient shortened by so much. 0: anything."""
    clip_guide: bool = True
    """Hold the small picture to what a file of bicubic samples can be, not to its overshoots."""
    cycle_weight: float = 0.0
    """Weight on the squared distance of the small picture of the restored one, rounded to 8 bits, to the
    first small one: what is made small again and again should not drift."""
    cycle_share: float = 0.25
    """Share of the patches with a ``cycle_weight``: each costs a third way through the network."""
    lr_noise: float = 0.0
    """Deviation of Gaussian noise added to the rounded small picture, in [0, 1] units."""
    sums: bool = False
    """Sum over channels and pixels, mean over the batch: the paper's units (network.md, 6)."""
    z: str = "zero"
    """What the picture is restored from beside the small one: ``zero``, ``sampled`` (N(0, 1), the paper's) or
    ``measured``: zero for most patches, for ``z_share`` of them a draw with the encoded latent's own mean and
    deviation, so that tau 1 costs what it must and no more."""
    z_share: float = 0.3
    """Share of the patches that are restored from a draw, with ``z = "measured"``."""
    z_weight: float = 0.0
    """Weight on the squared latent, the paper's z loss."""

    refine_share: float = 0.0
    """Share of what the restored picture costs that is taken of the one restored after a descent, so that the
    weights are trained for what ``--refine`` does. The rest is taken of the plain one."""
    refine_steps: int = 3
    """Steps of that descent: each takes two thirds of the time of a plain step of training."""

    def __post_init__(self) -> None:
        if self.refine_steps < 1:
            raise ValueError("loss.refine_steps must be at least 1")
        for name, forms in (("hr", FORMS), ("guide", GUIDES)):
            if getattr(self, name) not in forms:
                raise ValueError(f"loss.{name} must be one of {', '.join(forms)}")
        if self.z not in LATENTS:
            raise ValueError(f"loss.z must be one of {', '.join(LATENTS)}")
        if self.sums and "log" in (self.hr, self.guide):
            raise ValueError("loss.sums does not go with the form log")
        for name in ("z_share", "cycle_share", "refine_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"loss.{name} must lie in 0..1")


@dataclass(frozen=True)
class AnyScaleConfig:
    """Patches that are resampled before the network and after it, as for ``--scale 2.5`` or ``--size``."""

    share: float = 0.0
    """Share of the patches that are resampled; the others keep the network's own scale."""
    asymmetric: float = 0.3
    """Share of these whose rows and columns have a scale of their own each."""

    def __post_init__(self) -> None:
        for name in ("share", "asymmetric"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"any_scale.{name} must lie in 0..1")


@dataclass(frozen=True)
class JpegConfig:
    """Small pictures that go through JPEG before they are restored (:mod:`irncli.training.channel`)."""

    share: float = 0.0
    """Share of the patches that go through JPEG; the others stay on their grid."""
    qualities: tuple[int, int] = (60, 95)
    """Least and highest quality, by libjpeg's scale of 1 to 100."""
    halved: float = 0.75
    """Share of the JPEG patches with chroma 4:2:0; the others have 4:4:4."""

    def __post_init__(self) -> None:
        if not 1 <= self.qualities[0] <= self.qualities[1] <= 100:
            raise ValueError("jpeg.qualities must be two, from 1 to 100")
        for name in ("share", "halved"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"jpeg.{name} must lie in 0..1")


@dataclass(frozen=True)
class OptimiserConfig:
    kind: str = "muon"
    """``muon`` (with AdamW on the vectors) or ``adam``, the paper's."""
    rate: float = 2e-3
    warmup: int = 100
    """Steps until the rate is reached."""
    decay_from: float = 0.4
    """Share of the run after which the rate falls linearly."""
    final: float = 0.02
    """Share of the rate that is left at the end of the run."""
    halve_at: tuple[float, ...] = ()
    """Shares of the run after each of which the rate is halved, beside or instead of the decay."""
    weight_decay: float = 0.0
    """For ``adam`` alone; added to the gradient (L2), as the paper has it."""
    clip_norm: float = 1.0
    ema: float = 0.998
    """Decay of the averaged weights; 0 means that they are the last ones."""

    def __post_init__(self) -> None:
        if self.kind not in ("muon", "adam"):
            raise ValueError("optimiser.kind must be muon or adam")


@dataclass(frozen=True)
class Stage:
    """What changes in a later part of a run: a larger patch, an HR loss for the last fifth."""

    begin: float
    """Share of the run after which the stage begins, 0..1."""
    patch: int | None = None
    batch: int | None = None
    loss: dict[str, Any] = field(default_factory=dict)
    """Settings of the loss that change, by name."""

    def __post_init__(self) -> None:
        known = {each.name for each in fields(LossConfig)}
        if unknown := self.loss.keys() - known:
            raise ValueError(f"unknown setting stages.loss.{min(unknown)}")


@dataclass(frozen=True)
class Phase:
    """Patch, batch and loss at one moment of a run."""

    patch: int
    batch: int
    loss: LossConfig

    @property
    def pixels(self) -> int:
        """Pixels that one step learns from."""
        return self.batch * self.patch * self.patch


@dataclass(frozen=True)
class Recipe:
    name: str
    network: NetworkConfig
    steps: int
    batch: int = 8
    patch: int = 80
    """Pixels a side, a multiple of the scale."""
    grey_share: float = 0.125
    """Patches turned grey, their small picture averaged to one channel: so grey files stay grey."""
    flat_share: float = 0.0
    """Patches that get rectangles of plain colour."""
    stripe_share: float = 0.0
    """Patches that get a grating, often finer than the small picture can show."""
    drawn_share: float = 0.0
    """Patches cut from drawn pictures (:mod:`irncli.training.drawing`), not from photographs."""
    fp32_from: float = 1.0
    """Share of the run after which the subnets leave bfloat16."""
    cosines: bool = False
    """Begin the learnable downsampling (``matrix``) at the cosine transform. The paper's start keeps raw
    pixels beside the mean, and from ``z = 0`` all but one pixel of a cell would be restored as black."""
    any_scale: AnyScaleConfig = field(default_factory=AnyScaleConfig)
    jpeg: JpegConfig = field(default_factory=JpegConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    stages: tuple[Stage, ...] = ()
    """In their order; each changes what it names and leaves the rest as it was."""
    data: str = ""
    """Where the pictures come from and under which licences."""
    data_digest: str = ""
    """Digest of the pictures that the recipe was made with; a run on others says so."""

    def __post_init__(self) -> None:
        begins = [stage.begin for stage in self.stages]
        if begins != sorted(set(begins)) or any(not 0 < begin < 1 for begin in begins):
            raise ValueError("stages must begin one after the other, above 0 and below 1")
        if self.cosines and self.network.downsampling != "matrix":
            raise ValueError("cosines begin a network whose downsampling is matrix")
        scale = self.network.scale
        for phase in self.phases():
            least = LEAST_SITES if self.any_scale.share else 8
            if phase.patch % scale or phase.patch < least * scale:
                raise ValueError(f"patch must be a multiple of {scale}, at least {least * scale}")
            if self.any_scale.share and phase.loss.refine_share:
                raise ValueError("loss.refine_share does not go with any_scale.share")
            if self.steps < 1 or phase.batch < 1:
                raise ValueError("steps and batch must be at least 1")

    def phases(self) -> list[Phase]:
        """The start, and what each stage makes of it."""
        found = [Phase(self.patch, self.batch, self.loss)]
        for stage in self.stages:
            now = found[-1]
            loss = replace(now.loss, **stage.loss)
            found.append(Phase(stage.patch or now.patch, stage.batch or now.batch, loss))
        return found

    def phase_at(self, share: float) -> Phase:
        """The phase that holds after a share of the run, 0..1."""
        return self.phases()[sum(stage.begin <= share for stage in self.stages)]

    @property
    def largest_patch(self) -> int:
        return max(phase.patch for phase in self.phases())

    @property
    def refine_steps(self) -> int:
        """Steps of the descent that the weights are trained for; 0 if they are not."""
        return max(phase.loss.refine_steps if phase.loss.refine_share else 0 for phase in self.phases())

    @property
    def largest_step(self) -> int:
        """Most pixels that one step learns from."""
        return max(phase.pixels for phase in self.phases())

    def as_learnt(self) -> Recipe:
        """Without what is only said: two recipes that learn alike are then equal."""
        return replace(self, name="", data="", data_digest="")

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)


def parse_recipe(text: str) -> Recipe:
    """Raise TrainingError for anything but a whole, known recipe."""
    try:
        record = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"recipe: {error}", "It must be TOML.") from error
    return recipe_from(record)


def recipe_from(record: dict[str, Any]) -> Recipe:
    """A recipe's tables, from TOML or from a checkpoint's record; what they leave out is the default.

    Raise TrainingError for an unknown setting or a value that cannot be.
    """
    try:
        return TypeAdapter(Recipe).validate_python(record, extra="forbid")
    except ValidationError as error:
        raise TrainingError(f"recipe: {_first_fault(error)}", "See irncli/training/recipes.") from error


def _first_fault(error: ValidationError) -> str:
    """The first of its errors as one line that names the setting."""
    first = min(error.errors(), key=lambda each: each["type"] == "missing")  # a slip in a name leaves one out
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "unexpected_keyword_argument":
        return f"unknown setting {key}"
    if first["type"] == "value_error":  # of a check of ours, which names what it is about
        return str(first["ctx"]["error"])
    return f"{key or 'all of it'}: {first['msg']}"


def shipped_recipes() -> list[str]:
    folder = resources.files("irncli.training") / "recipes"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """A shipped recipe by name, or a TOML file by path."""
    path = Path(name)
    if path.suffix == ".toml":
        try:
            return parse_recipe(path.read_text("utf-8"))
        except OSError as error:
            raise TrainingError(f"{name}: {error.strerror}", "Give a recipe's name or file.") from error
    if name not in shipped_recipes():
        raise TrainingError(f"no recipe {name!r}", f"There are: {', '.join(shipped_recipes())}.")
    return parse_recipe((resources.files("irncli.training") / "recipes" / f"{name}.toml").read_text("utf-8"))
