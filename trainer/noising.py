"""What is done to the noise before it is learned: offset noise, a range of timesteps, zero-terminal SNR, weights.

Everything drawn follows from (seed, position in the stream of samples), as the samples themselves do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trainer import seeding
from trainer.config import Config
from trainer.data import Batch
from trainer.errors import TrainerError
from trainer.sampler import NoiseSchedule


@dataclass(frozen=True)
class Noising:
    """Changes batches as a configuration asks; with its defaults it leaves them as they are."""

    seed: int
    low: int  # the first timestep of the range
    high: int  # the first one after it
    offset: float
    whole: bool  # the range is all there is

    @classmethod
    def of(cls, config: Config, timesteps: int) -> Noising:
        """As a configuration asks.  Raises `TrainerError` for a range that the base model has not."""
        high = config.max_timestep or timesteps
        if not config.min_timestep < high <= timesteps:
            raise TrainerError(
                f"min_timestep = {config.min_timestep}, max_timestep = {config.max_timestep}: "
                f"must be a range within 0 to {timesteps}, the last one excluded (0: all)"
            )
        whole = config.min_timestep == 0 and high == timesteps
        return cls(config.seed, config.min_timestep, high, config.noise_offset, whole)

    def __call__(self, batch: Batch, position: int) -> Batch:
        """The batch whose first sample has that position."""
        places = range(position, position + len(batch.pictures))
        if not self.whole:
            drawn = torch.tensor([self._timestep(place) for place in places])
            batch = replace(batch, timesteps=drawn.to(batch.timesteps.device, non_blocking=True))
        if self.offset:
            shifts = torch.stack([self._shift(place, batch.noise.shape[1]) for place in places])
            batch = replace(batch, noise=batch.noise + self.offset * shifts.to(batch.noise.device, non_blocking=True))
        return batch

    def _timestep(self, place: int) -> int:
        generator = seeding.generator(self.seed, "timestep", place)
        return int(torch.randint(self.low, self.high, (), generator=generator))

    def _shift(self, place: int, channels: int) -> Tensor:
        """One number for each channel, the same for all of its pixels (offset noise: CrossLabs 2023)."""
        return torch.randn((channels, 1, 1), generator=seeding.generator(self.seed, "offset", place))


def zero_terminal(schedule: NoiseSchedule) -> NoiseSchedule:
    """The noise levels stretched so that nothing of the picture is left at the last (Lin et al. 2024, algorithm 1)."""
    roots = schedule.alphas.sqrt()
    first, last = roots[0], roots[-1]
    return replace(schedule, alphas=((roots - last) * first / (first - last)) ** 2)


def schedule_of(config: Config, schedule: NoiseSchedule) -> NoiseSchedule:
    """The noise levels to train on.  Raises `TrainerError` where zero-terminal SNR can teach nothing."""
    if not config.zero_terminal_snr:
        return schedule
    if not schedule.v_prediction:
        raise TrainerError(
            "zero_terminal_snr: the base model predicts noise, which from noise alone teaches nothing; "
            "take a v-prediction model, or leave it off"
        )
    return zero_terminal(schedule)


def snr_weights(schedule: NoiseSchedule, gamma: float) -> Tensor:
    """Min-SNR weight of every timestep, float32 (Hang et al. 2023; v-prediction as in diffusers: over SNR + 1)."""
    snr = schedule.alphas / (1 - schedule.alphas)
    return (snr.clamp(max=gamma) / (snr + 1 if schedule.v_prediction else snr)).float()
