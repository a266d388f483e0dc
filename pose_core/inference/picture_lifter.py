"""3D of a person from its pictures: a network, TP-Net over time where it belongs, the fitted body.

For SAP-Net the order is that of Dabral et al. 2018, section 3. The detector's keypoints say where
the person is, and the fitted body agrees with them as for all other systems; the poses come from
the pictures.
"""

from dataclasses import dataclass

import numpy as np
import torch

from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.errors import WeightsError
from pose_core.inference.crops import centres, crops_around, read_crops
from pose_core.inference.lifter import CorrectionVerdicts, LiftedPerson, Stretch, seen_stretches
from pose_core.inference.network_stages import refined_by_windows
from pose_core.inference.picture_networks import (
    PictureNetwork,
    SingleFrames,
    make_picture_network,
    midpoints,
)
from pose_core.inference.resampling import interpolate
from pose_core.inference.self_correction import Correction, join
from pose_core.models.ray_input import look_at_rotation
from pose_core.models.registry import ModelEntry, build_network, installed_models
from pose_core.models.tpnet import TpNet
from pose_core.poses import Keypoints2D

# Of the poses where there is no TP-Net to say.
_RATE_HZ = 25.0


@dataclass(frozen=True, eq=False)
class PictureLifter:
    """A network that sees pictures of the person; see `make_picture_lifter`.

    Parameters
    ----------
    entry : ModelEntry
    device : {"cpu", "cuda"}
    network : PictureNetwork
    refiner : TpNet, optional
        On the device, in eval mode; left out where none is installed, and where it does not belong.
    rate_hz : float
        Poses a second that the network or the refiner sees.
    """

    entry: ModelEntry
    device: str
    network: PictureNetwork
    refiner: TpNet | None
    rate_hz: float

    @property
    def stage_names(self) -> tuple[str, ...]:
        """What the stages of `lift_track` are."""
        refined = () if self.refiner is None else ("TP-Net",)
        return (*self.network.stage_names, *refined, "fitted skeleton")

    def lift_track(self, keypoints: Keypoints2D, clip: Clip, camera: Camera) -> LiftedPerson:
        """Root-relative poses of one person; reads the clip once.

        Parameters
        ----------
        keypoints : Keypoints2D
            Where the person is.
        clip : Clip
        camera : Camera
            Given or assumed intrinsics.

        Returns
        -------
        LiftedPerson
            Stages as `stage_names` has them.

        Raises
        ------
        VideoError
            If the file is gone, or none of the frames can be decoded.
        """
        xy, num_frames = keypoints.xy, clip.num_frames
        stages = np.full((len(self.stage_names), *xy.shape[:2], 3), np.nan, dtype=np.float32)
        steps, discarded_mask = np.full(num_frames, -1), np.zeros(num_frames, dtype=bool)
        corrects = False
        for stretch in seen_stretches(xy, keypoints.scores, clip.times_s, camera, self.rate_hz):
            seen = self._seen(stretch, xy, clip, camera)
            if seen is None:
                continue
            stages[:, stretch.frames] = self._over_time(stretch, seen.poses, xy, camera)
            if seen.correction is not None:
                corrects = True
                nearest = np.searchsorted(midpoints(seen.times_s), stretch.times_s)
                steps[stretch.frames] = seen.correction.steps_taken.cpu().numpy()[nearest]
                discarded_mask[stretch.frames] = ~seen.correction.kept_mask.cpu().numpy()[nearest]
        return LiftedPerson(stages, CorrectionVerdicts(steps, discarded_mask) if corrects else None)

    def _seen(self, stretch: Stretch, xy: np.ndarray, clip: Clip, camera: Camera) -> "_Seen | None":
        """What the network says; None if no frame of the stretch can be decoded."""
        frames, poses, corrections = [], [], []
        for pictures in read_crops(self.network.shots(stretch, xy), clip, self.network.size):
            answer = self.network.answer(pictures.images)
            frames.append(pictures.frames)
            poses.append(answer.stages @ _rotations(pictures.boxes, camera))
            if answer.correction is not None:
                corrections.append(answer.correction)
        if not frames:
            return None
        times_s = clip.times_s[np.concatenate(frames)]
        at_frames = interpolate(
            np.concatenate(poses, axis=1).swapaxes(0, 1), times_s, stretch.times_s
        )
        return _Seen(at_frames.swapaxes(0, 1), times_s, join(corrections) if corrections else None)

    def _over_time(
        self, stretch: Stretch, poses: np.ndarray, xy: np.ndarray, camera: Camera
    ) -> np.ndarray:
        """Poses (S, N, 17, 3) of the network, with those of TP-Net and of the fitted body."""
        stages = [*poses]
        if self.refiner is not None:
            # It sees people from in front of them, as it did in training.
            rotations = _rotations(crops_around(xy[stretch.frames]), camera)
            facing = poses[-1] @ rotations.swapaxes(-1, -2)
            at_grid = interpolate(facing, stretch.times_s, stretch.grid_s)
            with torch.inference_mode():
                batch = torch.from_numpy(at_grid).float()[None].to(self.device)
                refined = refined_by_windows(self.refiner, batch)
            stages.append(stretch.at_frames(refined.double().cpu().numpy())[0] @ rotations)
        return np.stack([*stages, stretch.fitted(stages[-1])])


@dataclass(frozen=True, eq=False)
class _Seen:
    """Poses (S, N, 17, 3) at the frames of a stretch, camera axes, and when pictures were seen."""

    poses: np.ndarray
    times_s: np.ndarray
    correction: Correction | None


def make_picture_lifter(entry: ModelEntry, device: str) -> PictureLifter:
    """The lifter of an installed network that looks at pictures, with its weights on the device.

    SAP-Net is refined by the first TP-Net that is installed and sees the past, as in the paper.

    Raises
    ------
    ConfigError
        If it is another network.
    WeightsError
        If weights are missing, altered, or do not fit.
    """
    network = make_picture_network(entry, device)
    if not isinstance(network, SingleFrames):
        return PictureLifter(entry, device, network, None, entry.rate_hz)
    refiner, rate_hz = _refiner()
    on_device = None if refiner is None else refiner.to(device).eval()
    return PictureLifter(entry, device, network, on_device, rate_hz)


def _refiner() -> tuple[TpNet | None, float]:
    for entry in installed_models().values():
        if entry.network != "tpnet" or entry.config.get("mode") != "online":
            continue
        try:
            network = build_network(entry)
        except WeightsError:  # missing or altered: SAP-Net works without
            continue
        if isinstance(network, TpNet):
            return network, entry.rate_hz
    return None, _RATE_HZ


def _rotations(boxes: np.ndarray, camera: Camera) -> np.ndarray:
    """From camera axes to those of a camera that looks at the middle of each crop, (K, 3, 3)."""
    return look_at_rotation(torch.from_numpy(camera.rays(centres(boxes)))).numpy()
