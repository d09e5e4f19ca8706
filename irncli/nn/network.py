"""The whole network: downsampling steps and couplings, forward and inverse (network.md, section 3)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import partial

import torch
from torch import Tensor, nn

from irncli.nn.coupling import LOW, Coupling, HalfStep, Prediction
from irncli.nn.couplings import COUPLINGS
from irncli.nn.haar import HaarStep
from irncli.nn.mixing import MixingStep
from irncli.nn.repair import Repair
from irncli.nn.subnets import SUBNETS

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""What subnets can run in; the coefficients are always float32."""

APART = "+fp32:"
"""Stands in a precision between that of most half-steps and the numbers of those in float32."""

MAX_BLOCKS = 64
MAX_WIDTH = 1024
MAX_UNITS = 8
MAX_LAYERS = 16
DOWNSAMPLINGS = ("haar", "matrix")
BORDERS = ("zeros", "edge")


def half_step_dtypes(precision: str, count: int) -> list[torch.dtype]:
    """Precision of each half-step in the forward order.

    ``bf16``: all; ``bf16+fp32:0,5``: the first and the sixth not.

    Raise ValueError on anything else, and on numbers that no half-step of ``count`` has.
    """
    kind, apart, numbers = precision.partition(APART)
    if kind not in PRECISIONS or (apart and kind == "fp32"):
        raise ValueError(f"unknown precision {precision!r}")
    found = [PRECISIONS[kind]] * count
    for number in numbers.split(",") if apart else []:
        if not (number.isascii() and number.isdigit() and len(number) < 6 and int(number) < count):
            raise ValueError(f"unknown precision {precision!r}")
        found[int(number)] = torch.float32
    return found


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that shapes a network; stored inside its weight file."""

    scale: int
    """How many times smaller the small picture is, per side."""
    blocks: tuple[int, ...]
    """Couplings per level, the finest level first."""
    width: tuple[int, ...]
    """Channels inside the subnets, per level (the dense block's growth)."""
    subnet: str = "dense"
    units: int = 1
    """Residual units in a residual subnet."""
    coupling: str = "affine"
    clamp: float = 1.0
    """Bound of a block's log-scale."""
    downsampling: str = "haar"
    """``haar``: scale is a power of two, one level for each halving; ``matrix``: one level."""
    predict: int = 0
    """Width of a last step that predicts the high bands from the small picture (HCFlow); 0: none."""
    predict_units: int = 2
    """Residual units of its subnet."""
    repair: int = 0
    """Width of the repair of a small picture that came through JPEG; 0: none."""
    repair_layers: int = 8
    """Convolutions in it."""
    border: str = "zeros"
    """What subnets see beyond the picture: ``zeros``, the paper's; ``edge``, the source's edge repeated, by
    which a plain picture stays plain to its rim."""

    def __post_init__(self) -> None:
        """Raise ValueError on anything that does not describe a network."""
        for name in ("scale", "units", "predict", "predict_units", "repair", "repair_layers"):
            if type(getattr(self, name)) is not int:
                raise ValueError(f"{name} must be an integer")
        for name in ("blocks", "width"):
            value = getattr(self, name)
            if not isinstance(value, (tuple, list)) or any(type(v) is not int for v in value):
                raise ValueError(f"{name} must be a list of integers")
            object.__setattr__(self, name, tuple(value))
        if type(self.clamp) not in (int, float) or not 0 < self.clamp <= 4:
            raise ValueError("clamp must be a number above 0 and at most 4")
        object.__setattr__(self, "clamp", float(self.clamp))
        if self.subnet not in SUBNETS:
            raise ValueError(f"unknown subnet {self.subnet!r}")
        if self.coupling not in COUPLINGS:
            raise ValueError(f"unknown coupling {self.coupling!r}")
        if self.downsampling not in DOWNSAMPLINGS:
            raise ValueError(f"unknown downsampling {self.downsampling!r}")
        if self.border not in BORDERS:
            raise ValueError(f"unknown border {self.border!r}")
        if self.downsampling == "haar" and self.scale not in (2, 4, 8, 16):
            raise ValueError("a Haar network has scale 2, 4, 8 or 16")
        if not 2 <= self.scale <= 16:
            raise ValueError("the scale must lie in 2..16")
        if not len(self.blocks) == len(self.width) == self.levels:
            raise ValueError(f"blocks and width must have {self.levels} entries, one per level")
        if not all(0 <= b <= MAX_BLOCKS for b in self.blocks):
            raise ValueError(f"blocks must lie in 0..{MAX_BLOCKS}")
        if not all(1 <= w <= MAX_WIDTH for w in self.width):
            raise ValueError(f"width must lie in 1..{MAX_WIDTH}")
        if not 0 <= self.units <= MAX_UNITS or not 0 <= self.predict_units <= MAX_UNITS:
            raise ValueError(f"units must lie in 0..{MAX_UNITS}")
        for name in ("predict", "repair"):
            if not 0 <= getattr(self, name) <= MAX_WIDTH:
                raise ValueError(f"{name} must lie in 0..{MAX_WIDTH}")
        if not 2 <= self.repair_layers <= MAX_LAYERS:
            raise ValueError(f"repair_layers must lie in 2..{MAX_LAYERS}")

    @property
    def levels(self) -> int:
        return 1 if self.downsampling == "matrix" else self.scale.bit_length() - 1

    @property
    def latent_channels(self) -> int:
        """Channels of z: 3 (s^2 - 1)."""
        return LOW * (self.scale * self.scale - 1)

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces. Part of a network's fingerprint.

        What a network does without (a prediction, an edge) it says nothing of: its fingerprint is older than
        the setting.
        """
        record = asdict(self)
        for part in ("predict", "repair"):
            if not getattr(self, part):
                record = {k: v for k, v in record.items() if not k.startswith(part)}
        if self.border == "zeros":
            del record["border"]
        return json.dumps(record, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> NetworkConfig:
        """Raise ValueError on anything but what :meth:`to_json` writes."""
        try:
            record = json.loads(text)
        except RecursionError:
            raise ValueError("the network's configuration is nested too deep") from None
        if not isinstance(record, dict):
            raise ValueError("the network's configuration is not an object")
        unknown = set(record) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown setting {sorted(unknown)[0]!r}")
        try:
            return cls(**record)
        except TypeError as error:
            raise ValueError(str(error)) from error


PAPER_BLOCKS = {2: (8,), 3: (12,), 4: (8, 8), 8: (8, 8, 8)}


def paper_config(scale: int) -> NetworkConfig:
    """The published network for x2, x3, x4 or x8."""
    blocks = PAPER_BLOCKS[scale]
    return NetworkConfig(
        scale=scale,
        blocks=blocks,
        width=(32,) * len(blocks),
        downsampling="matrix" if scale == 3 else "haar",
    )


Step = HaarStep | MixingStep | Coupling


class InvertibleRescaler(nn.Module):
    """A picture to a small picture and a latent, and back.

    Tensors are N C H W, RGB, float32 (float64 if the network is), nominally in [0, 1] and never clamped.
    H and W must be multiples of the scale. Rounding to the grid is not part of the network.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config, self.scale = config, config.scale
        self.down = nn.ModuleList()
        self.levels = nn.ModuleList()
        channels = LOW
        for blocks, width in zip(config.blocks, config.width, strict=True):
            step = MixingStep(config.scale) if config.downsampling == "matrix" else HaarStep()
            channels *= step.factor**2
            make = partial(SUBNETS[config.subnet], width=width, units=config.units)
            self.down.append(step)
            kind = COUPLINGS[config.coupling]
            steps = [kind(channels, make, config.clamp) for _ in range(blocks)]
            if config.predict and len(self.down) == config.levels:
                predictor = partial(SUBNETS[config.subnet], width=config.predict, units=config.predict_units)
                steps.append(Prediction(channels, predictor, config.clamp))
            self.levels.append(nn.ModuleList(steps))
        for half in self.half_steps():
            half.border = config.border
        self.repair = Repair(config.repair, config.repair_layers) if config.repair else None

    def steps(self) -> list[Step]:
        """Everything between a picture and its coefficients, in the forward order."""
        out: list[Step] = []
        for step, blocks in zip(self.down, self.levels, strict=True):
            out.append(step)  # type: ignore[arg-type]
            out.extend(blocks)  # type: ignore[arg-type]
        return out

    def half_steps(self) -> list[HalfStep]:
        """All half-steps in the forward order."""
        return [half for step in self.steps() if isinstance(step, Coupling) for half in step.half_steps]

    def set_subnet_dtype(self, dtype: torch.dtype | None) -> None:
        """Precision of all subnets; the coefficients keep theirs. None: the coefficients' own."""
        for half in self.half_steps():
            half.dtype = dtype

    def set_precision(self, precision: str) -> None:
        """The subnets', as :func:`half_step_dtypes` reads it. Raise ValueError."""
        halves = self.half_steps()
        for half, dtype in zip(halves, half_step_dtypes(precision, len(halves)), strict=True):
            half.dtype = None if dtype == torch.float32 else dtype

    def encode(self, hr: Tensor) -> Tensor:
        """N 3 H W -> N 3s^2 H/s W/s, the small picture in the first three channels."""
        self._check(hr, LOW, self.scale)
        x = hr
        for step in self.steps():
            x = step(x)
        return x

    def decode(self, coefficients: Tensor) -> Tensor:
        """The inverse of :meth:`encode`."""
        self._check(coefficients, LOW + self.config.latent_channels, 1)
        x = coefficients
        for step in reversed(self.steps()):
            x = step.inverse(x)
        return x

    def forward(self, hr: Tensor) -> tuple[Tensor, Tensor]:
        """N 3 H W -> the small picture N 3 H/s W/s (not rounded) and the latent N 3(s^2-1) H/s W/s."""
        y = self.encode(hr)
        return y[:, :LOW], y[:, LOW:]

    def inverse(self, lr: Tensor, z: Tensor) -> Tensor:
        """The small picture and a latent -> N 3 sH sW (not clamped)."""
        return self.decode(torch.cat((lr, z), 1))

    def _check(self, x: Tensor, channels: int, multiple: int) -> None:
        if x.dim() != 4 or x.shape[1] != channels:
            raise ValueError(f"expected N x {channels} x H x W, got {tuple(x.shape)}")
        if x.shape[2] % multiple or x.shape[3] % multiple or 0 in x.shape:
            raise ValueError(f"height and width {tuple(x.shape[2:])} must be multiples of {multiple}")
