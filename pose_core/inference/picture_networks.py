"""What networks that look at pictures see of a person, and what they say of it.

SAP-Net looks at single frames. The image front ends of RPSM and of the pose machine look at clips
in which the crop stays where it is, as they were trained.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pose_core.errors import ConfigError
from pose_core.inference.crops import Shot, crops_around
from pose_core.inference.lifter import Stretch
from pose_core.inference.network_stages import Answer, recurrent_stage_names
from pose_core.inference.self_correction import correct
from pose_core.models.pose_machine import PoseMachine
from pose_core.models.registry import ModelEntry, build_network
from pose_core.models.rpsm import Rpsm
from pose_core.models.sapnet import SapNet

_FRAMES_AT_ONCE = 16
# Frames of the clips that the image networks are trained on (`task.clip_length` of their recipes).
_CLIP_LENGTH = 5


class PictureNetwork(Protocol):
    """A network on its device."""

    @property
    def stage_names(self) -> tuple[str, ...]: ...

    @property
    def size(self) -> int:
        """Side of its crops, pixels."""
        ...

    def shots(self, stretch: Stretch, xy: np.ndarray) -> list[Shot]:
        """What it sees of a stretch; xy (T, 17, 2) are the keypoints of the whole clip, pixels."""
        ...

    def answer(self, images: np.ndarray) -> Answer:
        """Stages (S, K, 17, 3) of images (K, size, size, 3) of a shot.

        Root-relative, metres, axes of the camera that looks at the middle of each crop.
        """
        ...


@dataclass(frozen=True, eq=False)
class SingleFrames:
    """SAP-Net: every frame of the video, in a crop of its own."""

    network: SapNet
    device: str

    @property
    def stage_names(self) -> tuple[str, ...]:
        return ("SAP-Net",)

    @property
    def size(self) -> int:
        return self.network.config.input_size

    def shots(self, stretch: Stretch, xy: np.ndarray) -> list[Shot]:
        """As many frames together as are quick to compute."""
        cuts = range(_FRAMES_AT_ONCE, len(stretch.frames), _FRAMES_AT_ONCE)
        return [Shot(each, crops_around(xy[each])) for each in np.split(stretch.frames, cuts)]

    @torch.inference_mode()
    def answer(self, images: np.ndarray) -> Answer:
        stages = self.network(_as_input(images, self.device)[:, None]).stages[-1:, :, 0]
        return Answer(stages.double().cpu().numpy())


@dataclass(frozen=True, eq=False)
class RecurrentClips:
    """RPSM or the pose machine: clips as long as in training, at the rate of the network.

    Each is seen forwards and backwards, and the mean counts: so every frame is judged with all
    others of its clip in memory.
    """

    network: Rpsm | PoseMachine
    device: str

    @property
    def stage_names(self) -> tuple[str, ...]:
        return recurrent_stage_names(self.network)

    @property
    def size(self) -> int:
        return self.network.config.image_size

    def shots(self, stretch: Stretch, xy: np.ndarray) -> list[Shot]:
        """Clips one after the other, of frames next to the samples of the network's rate."""
        nearest = np.searchsorted(midpoints(stretch.times_s), stretch.grid_s)
        frames = stretch.frames[np.unique(nearest)]
        shots = []
        for clip in np.array_split(frames, -(-len(frames) // _CLIP_LENGTH)):
            box = crops_around(xy[clip].reshape(1, -1, 2))
            shots.append(Shot(clip, box.repeat(len(clip), axis=0)))
        return shots

    @torch.inference_mode()
    def answer(self, images: np.ndarray) -> Answer:
        clip = _as_input(images, self.device)
        output = self.network(torch.stack([clip, clip.flip(0)]))
        stages = _mean_of_directions(output.stages)
        if isinstance(self.network, Rpsm) or output.projected_2d is None:
            return Answer(stages.double().cpu().numpy())
        seen = _mean_of_directions(output.keypoints_2d[None])[0]
        correction = correct(self.network.projector, stages[0], seen)
        return Answer(correction.stages(stages[0]).double().cpu().numpy(), correction)


def make_picture_network(entry: ModelEntry, device: str) -> PictureNetwork:
    """An installed network with its weights on the device.

    Raises
    ------
    ConfigError
        If it does not look at pictures.
    WeightsError
        If weights are missing, altered, or do not fit.
    """
    network = build_network(entry).to(device).eval()
    if isinstance(network, SapNet):
        return SingleFrames(network, device)
    if isinstance(network, Rpsm | PoseMachine) and entry.sees_pictures:
        return RecurrentClips(network, device)
    raise ConfigError(f"{entry.name} cannot be run on a video.", "Choose another model.")


def midpoints(times: np.ndarray) -> np.ndarray:
    """Where the nearest of increasing times changes."""
    return (times[1:] + times[:-1]) / 2


def _as_input(images: np.ndarray, device: str) -> Tensor:
    """RGB (K, 3, H, W) from 0 to 1."""
    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255


def _mean_of_directions(values: Tensor) -> Tensor:
    """Mean (S, T, ...) of (S, 2, T, ...), of which the second is played backwards."""
    return (values[:, 0] + values[:, 1].flip(1)) / 2
