"""2D keypoints of one person to root-relative 3D, in two stages: the network, the fitted body."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pose_core.camera import Camera
from pose_core.inference.resampling import (
    lifter_rate,
    resample_keypoints,
    resample_poses,
    uniform_times,
)
from pose_core.inference.root import root_from_rays
from pose_core.models.registry import ModelEntry, build_network
from pose_core.skeleton import H36M_17

# A pause longer than this begins a new stretch; shorter ones are filled in straight.
_MAX_GAP_S = 1.0
_FILLED_SCORE = 0.05
_FRAMES_AT_ONCE = 4096
_ROLLS_DEG = (-20.0, 0.0, 20.0)


@dataclass(eq=False)
class TemporalLifter:
    """Lift with a temporal network.

    Parameters
    ----------
    entry : ModelEntry
    device : {"cpu", "cuda"}
    """

    entry: ModelEntry
    device: str = "cpu"

    @cached_property
    def network(self):  # noqa: ANN201 - torch is imported when first used
        """The network with its weights on the device."""
        return build_network(self.entry).to(self.device)

    def lift(
        self, xy: np.ndarray, scores: np.ndarray, times_s: np.ndarray, camera: Camera
    ) -> np.ndarray:
        """Root-relative poses of one person.

        Parameters
        ----------
        xy : (T, 17, 2) ndarray
            Pixels; frames without the person are NaN.
        scores : (T, 17) ndarray
        times_s : (T,) ndarray
            Increasing seconds.
        camera : Camera
            Given or assumed intrinsics.

        Returns
        -------
        (S, T, 17, 3) float32 ndarray
            Camera axes, metres; NaN in frames without the person. Stages: what the network
            answers, then the skeleton with constant bones fitted to it and to the keypoints.
        """
        out = np.full((2, *xy.shape[:2], 3), np.nan, dtype=np.float32)
        present = np.asarray(np.isfinite(xy).all(axis=-1).any(axis=-1))
        for frames in stretches(present, times_s):
            rays = fill_missing_joints(camera.rays(xy[frames].astype(np.float64)))
            seen = np.where(np.isfinite(xy[frames]).all(-1), scores[frames], _FILLED_SCORE)
            out[:, frames] = self._lift_stretch(rays, seen, times_s[frames])
        return out

    def _lift_stretch(
        self, rays: np.ndarray, scores: np.ndarray, times_s: np.ndarray
    ) -> np.ndarray:
        from pose_core.inference.fitting import fit_skeleton

        fps = (len(times_s) - 1) / (times_s[-1] - times_s[0]) if len(times_s) > 1 else 25.0
        grid_s = uniform_times(times_s, lifter_rate(fps, self.entry.rate_hz))
        grid_rays, grid_scores = resample_keypoints(rays, scores, times_s, grid_s)
        answer = lift_uniform(self.network, grid_rays, grid_scores, self.device)[-1]
        poses = resample_poses(answer, grid_s, times_s)
        root = root_from_rays(poses, rays, scores, times_s)
        return np.stack([poses, fit_skeleton(poses, root, rays, scores, fps)])


def stretches(present: np.ndarray, times_s: np.ndarray) -> list[np.ndarray]:
    """Indices of the present frames, split where the person is away for long."""
    frames = np.flatnonzero(present)
    if len(frames) == 0:
        return []
    return np.split(frames, np.flatnonzero(np.diff(times_s[frames]) > _MAX_GAP_S) + 1)


def fill_missing_joints(rays: np.ndarray) -> np.ndarray:
    """NaN joints of (T, J, 2) filled in over time, or with the middle of the others."""
    out = rays.copy()
    time = np.arange(len(rays))
    middle = np.nanmean(rays, axis=1)
    for joint in range(rays.shape[1]):
        known = np.isfinite(rays[:, joint, 0])
        if known.all():
            continue
        for axis in range(2):
            if known.any():
                out[:, joint, axis] = np.interp(time, time[known], rays[known, joint, axis])
            else:
                out[:, joint, axis] = middle[:, axis]
    return out


def lift_uniform(network, rays: np.ndarray, scores: np.ndarray, device: str) -> np.ndarray:  # noqa: ANN001
    """Evenly spaced rays (G, J, 2) and scores (G, J) to stages (S, G, J, 3) in camera axes.

    The mean of the network's answers to the sequence, rolled a little either way, and to the
    mirror images. Long sequences are cut into overlapping pieces, which changes nothing in the
    result.
    """
    import torch

    from pose_core.models.ray_input import normalise_rays

    before, after = network.config.padding
    with torch.inference_mode():
        frame = normalise_rays(_padded(rays, before, after), _padded(scores, before, after))
        pieces = []
        for start in range(0, len(rays), _FRAMES_AT_ONCE):
            stop = min(start + _FRAMES_AT_ONCE, len(rays)) + before + after
            pieces.append(_mean_answer(network, frame.features[:, start:stop].to(device)).cpu())
        turned = torch.cat(pieces, dim=1)
        rotation = frame.rotation[0, before : before + len(rays)]
        return (turned @ rotation).numpy().astype(np.float64)


def _padded(values: np.ndarray, before: int, after: int):  # noqa: ANN202
    """(1, before + G + after, ...) float32 tensor with the end frames repeated."""
    import torch

    width = ((before, after),) + ((0, 0),) * (values.ndim - 1)
    return torch.from_numpy(np.pad(values, width, mode="edge").astype(np.float32))[None]


def _mean_answer(network, features):  # noqa: ANN001, ANN202
    """Mean answer (S, T, J, 3) to features (1, T, J, F) rolled and mirrored, turned back."""
    import torch

    index = torch.as_tensor(H36M_17.mirror_index, device=features.device)
    flip = torch.tensor([-1.0, 1.0, 1.0], device=features.device)
    answers = []
    for roll in np.deg2rad(_ROLLS_DEG):
        turn = torch.eye(3, device=features.device)
        turn[:2, :2] = torch.tensor([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        # x and y are turned; the third feature, the score, stays.
        rolled = features @ turn
        answer, mirrored = network(torch.cat([rolled, rolled[:, :, index] * flip])).unbind(1)
        answers.append((answer + mirrored[:, :, index] * flip) / 2 @ turn.T)
    return torch.stack(answers).mean(dim=0)
