"""Self-correction of a pose machine, frame by frame, to be looked into and tried out.

`prepare_correction` runs the network once; `study` then corrects a single frame with any settings
in milliseconds (Wang et al. 2019, section 3.3, Eq. 3 and 4).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pose_core.analysis.anatomy import illegal_bend_deg
from pose_core.bones import bone_lengths
from pose_core.camera import Camera
from pose_core.errors import ConfigError
from pose_core.inference.lifter import seen_stretches
from pose_core.inference.network_stages import pose_machine_answer
from pose_core.inference.self_correction import CorrectionConfig, correct
from pose_core.models.pose_machine import PoseMachine
from pose_core.models.projector import Projector
from pose_core.models.ray_input import normalise_rays
from pose_core.models.registry import ModelEntry, build_network
from pose_core.poses import Keypoints2D

# Smaller changes of the body are noise of the arithmetic, or too small to warn of.
_WORSE_LENGTH_MM = 1.0
_WORSE_BEND_DEG = 1.0


@dataclass(frozen=True, eq=False)
class PreparedCorrection:
    """All that the correction of a clip of T frames needs.

    Parameters
    ----------
    projector : Projector
    poses : (T, 17, 3) Tensor
        Intermediate poses in the axes of the turned cameras, metres; NaN without the person.
    features : (T, 17, 3) Tensor
        x, y (person sizes) and score of the keypoints.
    rotation : (T, 3, 3) Tensor
        From the camera to the turned cameras.
    lengths_m : (16,) ndarray
        Median bone lengths of the regressed poses over the clip: what the person should have.
    """

    projector: Projector
    poses: Tensor
    features: Tensor
    rotation: Tensor
    lengths_m: np.ndarray


@dataclass(frozen=True, eq=False)
class CorrectionStudy:
    """What the correction does to one frame in K steps.

    Parameters
    ----------
    poses : (K + 1, 17, 3) ndarray
        Regressed pose, then that after each step; camera axes, metres, root-relative.
    seen : (17, 2) ndarray
        Keypoints in person sizes, x right and y down, about the middle of the trunk.
    projected : (K + 1, 17, 2) ndarray
        Where each of the poses projects to.
    residual : (K + 1,) ndarray
        Eq. (3).
    step_mm : (K,) ndarray
        Mean movement of the robust joints in each step.
    total_mm : float
        The same from the regressed pose to the last one.
    steps_taken : int
    is_kept : bool
        False where the correction is discarded.
    length_error_mm, bend_deg : (K + 1,) ndarray
        Mean distance of the bones from their median lengths; the worst illegal bend.
    """

    poses: np.ndarray
    seen: np.ndarray
    projected: np.ndarray
    residual: np.ndarray
    step_mm: np.ndarray
    total_mm: float
    steps_taken: int
    is_kept: bool
    length_error_mm: np.ndarray
    bend_deg: np.ndarray

    @property
    def answer(self) -> np.ndarray:
        """(17, 3) the pose that is believed."""
        return self.poses[-1] if self.is_kept else self.poses[0]

    @property
    def worse(self) -> tuple[str, ...]:
        """What of the body got worse although the 2D pose agrees better; empty where nothing."""
        if not self.residual[-1] < self.residual[0]:
            return ()
        found = []
        if self.length_error_mm[-1] - self.length_error_mm[0] > _WORSE_LENGTH_MM:
            found.append("bone lengths")
        if self.bend_deg[-1] - self.bend_deg[0] > _WORSE_BEND_DEG:
            found.append("angles")
        return tuple(found)


def prepare_correction(
    entry: ModelEntry, keypoints: Keypoints2D, times_s: np.ndarray, camera: Camera
) -> PreparedCorrection:
    """Run a pose machine on the keypoints of a clip, as the lifter does.

    Each frame of the video gets the sample of the network's time grid that is nearest to it.

    Raises
    ------
    ConfigError
        If the model is no pose machine with a projector.
    WeightsError
        If its weights are missing or altered.
    """
    network = build_network(entry)
    if not isinstance(network, PoseMachine) or not network.config.has_projector:
        raise ConfigError(
            f"{entry.name} does not correct itself.", "Choose a pose machine with a projector."
        )
    num_frames = len(keypoints)
    poses = torch.full((num_frames, 17, 3), torch.nan)
    features, rotation = poses.clone(), torch.full((num_frames, 3, 3), torch.nan)
    regressed = np.full((num_frames, 17, 3), np.nan)
    for seen in seen_stretches(keypoints.xy, keypoints.scores, times_s, camera, entry.rate_hz):
        stages = pose_machine_answer(network, "cpu", seen.grid_rays, seen.grid_scores).stages
        frame = normalise_rays(
            torch.from_numpy(seen.grid_rays).float()[None],
            torch.from_numpy(seen.grid_scores).float()[None],
        )
        turns = frame.rotation[0]
        turned = torch.from_numpy(stages[0]).float() @ turns.transpose(-1, -2)
        here, nearest = torch.from_numpy(seen.frames), torch.from_numpy(seen.nearest)
        poses[here], rotation[here] = turned[nearest], turns[nearest]
        features[here] = frame.features[0][nearest]
        regressed[seen.frames] = stages[1][seen.nearest]
    lengths = bone_lengths(regressed[np.isfinite(regressed[:, 0, 0])])
    lengths_m = np.median(lengths, axis=0) if len(lengths) else np.full(16, np.nan)
    return PreparedCorrection(network.projector, poses, features, rotation, lengths_m)


def study(prepared: PreparedCorrection, frame: int, config: CorrectionConfig) -> CorrectionStudy:
    """Correct one frame.

    Raises
    ------
    ConfigError
        If the person is not in the frame.
    """
    pose, features = prepared.poses[[frame]], prepared.features[[frame]]
    if not bool(torch.isfinite(pose).all()):
        raise ConfigError(f"The person is not in frame {frame}.", "Go to another frame.")
    found = correct(prepared.projector, pose, features[..., :2], config, features[..., 2])
    poses = (found.iterations[:, 0] @ prepared.rotation[frame]).double().numpy()
    robust = list(config.robust_joints)
    moved = np.linalg.norm(poses[-1, robust] - poses[0, robust], axis=-1)
    return CorrectionStudy(
        poses=poses,
        seen=features[0, :, :2].numpy(),
        projected=found.projected_2d[:, 0].numpy(),
        residual=found.residual[:, 0].double().numpy(),
        step_mm=found.movement_mm[:, 0].double().numpy(),
        total_mm=1000 * float(moved.mean()),
        steps_taken=int(found.steps_taken[0]),
        is_kept=bool(found.kept_mask[0]),
        length_error_mm=1000 * np.abs(bone_lengths(poses) - prepared.lengths_m).mean(axis=-1),
        bend_deg=np.nanmax(illegal_bend_deg(poses), axis=-1),
    )
