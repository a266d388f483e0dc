"""3D of a person from its pictures: SAP-Net, TP-Net over time, then the fitted body.

The order is that of Dabral et al. 2018, section 3. The detector's keypoints say where the person
is, and the fitted body agrees with them as for all other systems; the poses come from the pictures.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.errors import ConfigError, WeightsError
from pose_core.inference.lifter import LiftedPerson, Stretch, seen_stretches
from pose_core.inference.network_stages import refined_by_windows
from pose_core.inference.resampling import interpolate
from pose_core.models.ray_input import look_at_rotation
from pose_core.models.registry import ModelEntry, build_network, installed_models
from pose_core.models.sapnet import SapNet
from pose_core.models.tpnet import TpNet
from pose_core.poses import Keypoints2D
from pose_core.video import VideoReader

# Side of the crop over the larger side of the box around the joints: the middle of what the
# networks are trained with (`pose_core.synthesis.people`).
_MARGIN = 1.4
_FRAMES_AT_ONCE = 16
# Of the poses where there is no TP-Net to say.
_RATE_HZ = 25.0


@dataclass(frozen=True, eq=False)
class PictureLifter:
    """A network that sees pictures of the person; see `make_picture_lifter`.

    Parameters
    ----------
    entry : ModelEntry
    device : {"cpu", "cuda"}
    network : SapNet
        On the device, in eval mode.
    refiner : TpNet, optional
        The same; left out where none is installed.
    rate_hz : float
        Poses a second that the refiner sees.
    """

    entry: ModelEntry
    device: str
    network: SapNet
    refiner: TpNet | None
    rate_hz: float

    @property
    def stage_names(self) -> tuple[str, ...]:
        """What the stages of `lift_track` are."""
        refined = () if self.refiner is None else ("TP-Net",)
        return ("SAP-Net", *refined, "fitted skeleton")

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
        boxes = crops_around(keypoints.xy)
        seen = self._seen(boxes, clip)
        rotations = look_at_rotation(torch.from_numpy(camera.rays(centres(boxes)))).numpy()
        stages = np.full((len(self.stage_names), *seen.shape), np.nan, dtype=np.float32)
        for stretch in seen_stretches(
            keypoints.xy, keypoints.scores, clip.times_s, camera, self.rate_hz
        ):
            frames = stretch.frames
            stages[:, frames] = self._lift_stretch(stretch, seen[frames], rotations[frames])
        return LiftedPerson(stages)

    def _lift_stretch(
        self, stretch: Stretch, seen: np.ndarray, rotations: np.ndarray
    ) -> np.ndarray:
        """Stages (S, N, 17, 3) of poses (N, 17, 3) in axes turned from the camera's (N, 3, 3)."""
        known = np.flatnonzero(np.isfinite(seen).all(axis=(1, 2)))
        if not len(known):  # no frame of it can be decoded
            return np.full((len(self.stage_names), *seen.shape), np.nan)
        poses = interpolate(seen[known], stretch.times_s[known], stretch.times_s)
        stages = [poses]
        if self.refiner is not None:
            at_grid = interpolate(poses, stretch.times_s, stretch.grid_s)
            with torch.inference_mode():
                batch = torch.from_numpy(at_grid).float()[None].to(self.device)
                refined = refined_by_windows(self.refiner, batch)
            stages.append(stretch.at_frames(refined.double().cpu().numpy())[0])
        in_camera = [each @ rotations for each in stages]
        return np.stack([*in_camera, stretch.fitted(in_camera[-1])])

    def _seen(self, boxes: np.ndarray, clip: Clip) -> np.ndarray:
        """Poses (T, 17, 3) in the axes of cameras that look at the crops (T, 3)."""
        poses = np.full((len(boxes), 17, 3), np.nan, dtype=np.float32)
        for frames, pictures in _batches(boxes, clip, self.network.config.input_size):
            images = torch.from_numpy(pictures).to(self.device).permute(0, 3, 1, 2)[:, None]
            with torch.inference_mode():
                output = self.network(images.float() / 255)
            poses[frames] = output.stages[-1, :, 0].cpu().numpy()
        return poses


def make_picture_lifter(entry: ModelEntry, device: str) -> PictureLifter:
    """The lifter of an installed SAP-Net, with its weights on the device.

    It is refined by the first TP-Net that is installed and sees the past, as in the paper.

    Raises
    ------
    ConfigError
        If it is another network.
    WeightsError
        If weights are missing, altered, or do not fit.
    """
    network = build_network(entry)
    if not isinstance(network, SapNet):
        raise ConfigError(f"{entry.name} cannot be run on a video.", "Choose another model.")
    refiner, rate_hz = _refiner()
    on_device = None if refiner is None else refiner.to(device).eval()
    return PictureLifter(entry, device, network.to(device).eval(), on_device, rate_hz)


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


def crops_around(xy: np.ndarray) -> np.ndarray:
    """Square crops around a person, whole pixels; they may reach beyond the picture.

    Parameters
    ----------
    xy : (T, 17, 2) ndarray
        Pixels; NaN where missing.

    Returns
    -------
    (T, 3) int ndarray
        Left, top and side; all 0 in frames without the person.
    """
    boxes = np.zeros((len(xy), 3), dtype=int)
    present = np.isfinite(xy).all(axis=-1).any(axis=-1)
    low, high = np.nanmin(xy[present], axis=1), np.nanmax(xy[present], axis=1)
    side = np.maximum(np.round(_MARGIN * (high - low).max(axis=-1)), 2)[:, None]
    boxes[present] = np.hstack([np.round((low + high - side) / 2), side])
    return boxes


def centres(boxes: np.ndarray) -> np.ndarray:
    """Middles (T, 2) of crops (T, 3), pixels counted from the corner of the picture."""
    return boxes[:, :2] + boxes[:, 2:] / 2


def cut(image: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """The crop (3,) of an image (H, W, 3) as (size, size, 3); beyond the edge, the edge goes on."""
    height, width = image.shape[:2]
    left, top, side = box.tolist()
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(image[rows[:, None], columns], (size, size), interpolation=method)


def _batches(boxes: np.ndarray, clip: Clip, size: int) -> Iterator[tuple[list[int], np.ndarray]]:
    """Numbers of some frames and their crops (B, size, size, 3), in the order of the clip."""
    wanted = np.flatnonzero(boxes[:, 2])
    if not len(wanted):
        return
    frames: list[int] = []
    pictures: list[np.ndarray] = []
    with VideoReader(clip) as reader:
        for frame, image in reader.iter_frames(int(wanted[0]), int(wanted[-1]) + 1):
            if not boxes[frame, 2]:
                continue
            frames.append(frame)
            pictures.append(cut(image, boxes[frame], size))
            if len(frames) == _FRAMES_AT_ONCE:
                yield frames, np.stack(pictures)
                frames, pictures = [], []
    if frames:
        yield frames, np.stack(pictures)
