"""A run's state and its one step: what is learnt, how, and from where it goes on."""

from __future__ import annotations

import copy
import math
import platform
import subprocess
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from irncli.errors import TrainingError
from irncli.nn.convolution import native_bf16
from irncli.nn.network import InvertibleRescaler
from irncli.training.batches import Batch, draw
from irncli.training.checkpoint import load_checkpoint, of_today, save_checkpoint
from irncli.training.data import Dataset
from irncli.training.descent import Descent
from irncli.training.growing import grow
from irncli.training.objective import Objective
from irncli.training.optimiser import make_optimisers, rate_at
from irncli.training.ranks import ALONE, Ranks
from irncli.training.recipe import Phase, Recipe, recipe_from


class Trainer:
    """One run: a network, its average, its optimisers and where they stand."""

    def __init__(
        self, recipe: Recipe, run: RunConfig, train: Dataset, valid: Dataset | None, ranks: Ranks = ALONE
    ) -> None:
        self.recipe, self.run_config, self.ranks = recipe, run, ranks
        self.train_set = train.to(run.device)
        self.valid_set = valid.to(run.device) if valid else None
        self.seed = run.seed or 0
        torch.manual_seed(self.seed)
        self.network = InvertibleRescaler(recipe.network)
        if recipe.cosines:
            for step in self.network.down:
                step.begin_with_cosines()  # type: ignore[operator]
        self.network.to(run.device)
        # channels_last is what makes bfloat16 fast; in float32 its CPU kernels are the less exact ones
        # (2e-5 in a gradient), so a recipe that is float32 throughout, the paper's, goes without.
        self.layout = torch.channels_last if recipe.fp32_from > 0 else torch.contiguous_format
        self.network.to(memory_format=self.layout)  # type: ignore[call-overload]
        if recipe.fp32_from > 0:
            fast(run.device)
        self.ema = copy.deepcopy(self.network).requires_grad_(False)
        self.optimisers = make_optimisers(self.network, recipe.optimiser)
        self.objective: torch.nn.Module = Objective(self.network)
        self.descent = Descent(self.network)
        if ranks.world > 1:
            self.objective = DistributedDataParallel(self.objective, broadcast_buffers=False)
        self.total = run.steps or recipe.steps
        self.step = 0
        self.share = 0.0
        """Share of the schedule that is done: by steps, or by the clock of a run that ends by a clock."""
        self.pixels = 0
        self.skipped = 0
        self.interrupted = False
        """A signal ended the run."""
        self.seconds = 0.0
        self.started_from = "scratch"
        self.history: list[dict[str, float]] = []

    @property
    def checkpoint(self) -> Path:
        return self.run_config.out / f"{self.recipe.name}.checkpoint.safetensors"

    @property
    def phase(self) -> Phase:
        """Patch, batch and loss of the next step."""
        return self.recipe.phase_at(self.share)

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return rate_at(self.step, self.share, self.recipe.optimiser)

    @property
    def subnet_dtype(self) -> torch.dtype | None:
        native = native_bf16(torch.device(self.run_config.device).type)
        return torch.bfloat16 if native and self.share < self.recipe.fp32_from else None

    def record(self) -> dict[str, Any]:
        """What a reader needs to know about the run, JSON-ready."""
        dataset = self.train_set
        return {
            "step": self.step,
            "share": self.share,
            "skipped_steps": self.skipped,
            "seconds": round(self.seconds, 1),
            "pixels": self.pixels,
            "total_steps": self.total,
            "seed": self.seed,
            "started_from": self.started_from,
            "options": asdict(self.run_config) | {"out": str(self.run_config.out)},
            "recipe": asdict(self.recipe),
            "data": dataset.digest,
            "data_facts": {
                "source": self.recipe.data,
                "pictures": len(dataset.sizes),
                "pixels": dataset.pixels,
                "licences": dataset.licences,
            },
            "code": git_state(),
            "versions": versions(),
            "machine": machine(self.run_config.device),
            "processes": self.ranks.world,
            "history": self.history,
        }

    def save(self) -> None:
        """Write the checkpoint whole. Raise OutputError; the one before it stays."""
        save_checkpoint(self.checkpoint, self.network, self.ema.state_dict(), self.optimisers, self.record())

    def resume(self, path: Path) -> list[str]:
        """Go on from a full checkpoint: the same steps as an unbroken run.

        Length and seed are the checkpoint's unless the run names its own. Returns what makes it differ
        from an unbroken run, in words.
        """
        record = load_checkpoint(path, self.network, self.ema.state_dict(), self.optimisers)
        try:
            self.step, self.seconds = int(record["step"]), float(record["seconds"])
            self.pixels = int(record["pixels"])
            self.history = [of_today(row) for row in record["history"]]
            total, seed = int(record["total_steps"]), int(record["seed"])
            data, recipe = record["data"], recipe_from(record["recipe"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TrainingError(f"{path}: incomplete record", "Resume from weights instead.") from error
        if recipe.optimiser.kind != self.recipe.optimiser.kind:
            kind = recipe.optimiser.kind
            raise TrainingError(f"{path}: trained with {kind}", "Resume from weights instead.")
        self.skipped = int(record.get("skipped_steps", 0))
        self.started_from = str(record.get("started_from", "scratch"))
        run, differs = self.run_config, []
        if run.steps is None:
            self.total = total
        elif run.steps != total:
            differs.append(f"the run was to have {total} steps, now {run.steps}")
        # More than by its steps where it was stopped while it was to finish in time.
        self.share = max(
            self.step / self.total, float(record.get("share", 0.0)) if total == self.total else 0.0
        )
        if run.seed is None:
            self.seed = seed
        elif run.seed != seed:
            differs.append(f"the seed was {seed}, now {run.seed}")
        if recipe.as_learnt() != self.recipe.as_learnt():
            differs.append("the recipe is not the one that it began with")
        if data != self.train_set.digest:
            differs.append("the pictures are not those that it began with")
        return differs

    def start_from(self, state: dict[str, Tensor], source: str = "weights") -> None:
        """Begin a new schedule at given weights. Raise TrainingError if they are another network's."""
        fresh = {key: value for key, value in self.network.state_dict().items() if key.startswith("repair.")}
        state = fresh | state  # a repair begins as the identity
        try:
            self.network.load_state_dict(state)
            self.ema.load_state_dict(state)
        except RuntimeError as error:
            raise TrainingError(
                f"{source}: made for another network than recipe {self.recipe.name}", "Use its own recipe."
            ) from error
        self.started_from = source

    def grow_from(self, trained: InvertibleRescaler, source: str) -> None:
        """Begin a new schedule with the levels of a smaller network as the last ones of this.

        Raise TrainingError if they are not.
        """
        try:
            grow(self.network, trained)
        except ValueError as error:
            raise TrainingError(
                f"{source}: made for another network than recipe {self.recipe.name}", "Use its own recipe."
            ) from error
        self.ema.load_state_dict(self.network.state_dict())
        self.started_from = source

    def one_step(self) -> Tensor:
        """Draw the step's batch and learn from it."""
        return self.learn(draw(self.train_set, self.recipe, self.seed, self.step, self.share, self.ranks))

    def learn(self, batch: Batch) -> Tensor:
        """One optimiser step. Loss, HR term and the small picture's mean squared error, on the device.

        If the loss or a gradient is not finite on any rank, nothing changes on all of them and the three
        are NaN. Nobody waits for the device: whether to change is decided there.
        """
        self.network.set_subnet_dtype(self.subnet_dtype)
        decay = min(self.recipe.optimiser.ema, (1 + self.step) / (10 + self.step))
        losses = self.update(batch.laid_out(self.layout), self.rate, 1 - decay)
        self.pixels += self.phase.pixels
        self.step += 1
        return losses

    def update(self, batch: Batch, rate: float | Tensor, moved: float | Tensor) -> Tensor:
        """What a step does on the device: its losses. ``moved``: share of the way that the average goes."""
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = rate
        settings = self.phase.loss
        if settings.refine_share:
            small = self.descent.refined(batch.hr, batch.guide, batch.grey, settings.refine_steps)
            batch = replace(batch, refined=small)
        loss, hr_term, lr_error = self.objective(batch, settings)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimiser.clip_norm)
        ok = self.ranks.all_agree(torch.isfinite(norm) & torch.isfinite(loss.detach()))
        for optimiser in self.optimisers:
            optimiser.found_inf = (~ok).float()  # type: ignore[attr-defined]
            optimiser.step()
        share = torch.where(ok, moved, 0.0)
        with torch.no_grad():
            for average, value in zip(self.ema.parameters(), self.network.parameters(), strict=True):
                average.lerp_(value, share)
        losses = self.ranks.mean(torch.stack((loss.detach(), hr_term, lr_error)))
        return torch.where(ok, losses, math.nan)


def fast(device: str) -> None:
    """For training on a GPU: TF32 in what is left in float32, kernels chosen by trial (shapes are static)."""
    if device.startswith("cuda"):
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True


@dataclass(frozen=True)
class RunConfig:
    """What a run needs beside its recipe; none of it changes what is learnt but ``steps`` and ``seed``."""

    out: Path
    """Folder of the checkpoint, the log and the curve."""
    steps: int | None = None
    """Length of the run and of its schedule, instead of the recipe's (or the resumed run's)."""
    minutes: float | None = None
    finish: bool = False
    """Run what is left of the schedule within ``minutes``, decay and all, whatever number of steps it is."""
    device: str = "cpu"
    seed: int | None = None
    """0, or the resumed run's, unless given."""
    compile: bool = True
    validate_every: float = 240.0
    """Seconds."""
    save_every: float = 600.0
    """Seconds."""
    read_every: int | None = None
    """Steps between two looks at the losses; 1 on the CPU and 25 on a GPU, which must not be waited for."""

    @property
    def steps_unread(self) -> int:
        """How many steps' losses may wait on the device."""
        return self.read_every or (1 if self.device == "cpu" else 25)

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise TrainingError("`steps` must be at least 1", "Leave it out for the recipe's own length.")
        if self.minutes is not None and not self.minutes > 0:
            raise TrainingError("`minutes` must be more than 0", "Leave it out to train to the end.")
        if self.finish and self.minutes is None:
            raise TrainingError("`finish` needs `minutes`", "Say in how many minutes the run is to end.")
        if self.seed is not None and not 0 <= self.seed < 1 << 31:
            raise TrainingError("`seed` must lie in 0..2147483647", "Leave it out for 0.")


LIBRARIES = ("irncli", "pillow", "safetensors")


def git_state(folder: Path = Path(__file__).parent) -> str | None:
    """The commit that the code stands at, ``+changes`` if it was edited since; None outside a checkout.

    Only a checkout that knows this very file counts: an environment may lie inside another project's.
    """

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20, check=True
        )
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "--", Path(__file__).name)
        commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "..")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changed else commit


def versions() -> dict[str, str]:
    """The versions of everything that may change a result."""
    found = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    return found


def machine(device: str) -> str:
    """What it ran on, in words."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()}, {torch.get_num_threads()} threads"
