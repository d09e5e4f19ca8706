"""What a run is told beside its recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from irncli.errors import TrainingError


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
            raise TrainingError("--steps must be at least 1", "Leave it out for the recipe's own length.")
        if self.minutes is not None and not self.minutes > 0:
            raise TrainingError("--minutes must be more than 0", "Leave it out to train to the end.")
        if self.finish and self.minutes is None:
            raise TrainingError("--finish needs --minutes", "Say in how many minutes the run is to end.")
        if self.seed is not None and not 0 <= self.seed < 1 << 31:
            raise TrainingError("--seed must lie in 0..2147483647", "Leave it out for 0.")
