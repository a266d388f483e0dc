"""Square crops of people, varied, with labels in the axes of a camera that looks at them.

A batch of pictures is a dictionary, the same for every source:

    images     (B, T, 3, H, W) uint8: RGB
    keypoints  (B, T, 17, 2): Human3.6M-17, half sides of the crop from its middle (-1..1); NaN
               where not labelled
    pose       (B, T, 17, 3): root-relative, metres, axes of the camera that looks at the middle
               of the crop; NaN where only 2D is known
    has_3d     (B,) bool
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Generator, Tensor

from pose_core.data.skipping import SkipLog
from pose_core.errors import ConfigError, DataError
from pose_core.models.ray_input import look_at_rotation
from pose_core.skeleton import H36M_17

_log = logging.getLogger(__name__)
# Grey of a colour, as ITU-R BT.601 weighs red, green and blue.
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class CropAugmentation:
    """How stored crops are varied each time they are drawn. All values are drawn evenly.

    Parameters
    ----------
    rotation_deg : float
        Largest turn in the picture plane, either way.
    scale : float
        Largest change of the size, either way: 0.1 is 0.9 to 1.1, as in Lin et al. 2017,
        section 4.
    shift : float
        Largest move along each axis, sides of the crop.
    mirror : float
        Chance of the mirror image, with left and right exchanged.
    brightness, contrast, saturation : float
        Largest change, either way: of the mean over the full range, and of two factors.
    """

    rotation_deg: float = 15.0
    scale: float = 0.1
    shift: float = 0.04
    mirror: float = 0.5
    brightness: float = 0.15
    contrast: float = 0.25
    saturation: float = 0.3

    def __post_init__(self) -> None:
        values = vars(self)
        if min(values.values()) < 0 or max(self.mirror, self.scale, self.contrast) > 1:
            raise ConfigError(f"These variations of crops are not possible: {values}.")


AS_THEY_ARE = CropAugmentation(
    rotation_deg=0, scale=0, shift=0, mirror=0, brightness=0, contrast=0, saturation=0
)


@dataclass(frozen=True, eq=False)
class CropLabels:
    """What is known of N stored crops.

    Parameters
    ----------
    keypoints : (N, T, 17, 2) Tensor
        Pixels of the crop, counted from the corner; NaN where not labelled.
    camera_xyz : (N, T, 17, 3) Tensor
        Metres; NaN where only 2D is known.
    intrinsics : (N, 3, 3) Tensor
        Of the crop; anything regular where only 2D is known.
    """

    keypoints: Tensor
    camera_xyz: Tensor
    intrinsics: Tensor

    def at(self, indices: list[int]) -> "CropLabels":
        """Those of some crops."""
        return CropLabels(*(values[indices] for values in vars(self).values()))


class CropStore(Protocol):
    """Square crops of one size that lie somewhere, opened when they are needed.

    Attributes
    ----------
    side : int
        Pixels.
    labels : CropLabels
    """

    @property
    def side(self) -> int: ...

    @property
    def labels(self) -> CropLabels: ...

    def name(self, index: int) -> str:
        """What to call a sample in messages."""
        ...

    def pictures(self, index: int) -> np.ndarray:
        """Frames (T, side, side, 3) uint8, RGB, of a sample; `DataError` where damaged."""
        ...


class CropData:
    """Varied crops in any order; see `pose_core.training.batches.TrainingData`.

    A crop that cannot be opened is named in the log of the program, skipped, and replaced by
    another one.

    Parameters
    ----------
    store : CropStore
    size : int
        Side of the crops that are given, pixels.
    augmentation : CropAugmentation
    skipped : SkipLog
        Takes down what cannot be opened; `DataError` above 1 %.
    rows : range, optional
        Samples of the store to be drawn; all by default.
    """

    def __init__(
        self,
        store: CropStore,
        size: int,
        augmentation: CropAugmentation,
        skipped: SkipLog,
        rows: range | None = None,
    ) -> None:
        self._store, self._size, self._augmentation = store, size, augmentation
        self._skipped = skipped
        self._rows = range(len(store.labels.keypoints)) if rows is None else rows

    def draw(self, num_samples: int, generator: Generator) -> dict[str, Tensor]:
        """A batch as this module describes it."""
        chosen: list[int] = []
        pictures: list[np.ndarray] = []
        while len(chosen) < num_samples:
            index = self._rows[int(torch.randint(len(self._rows), (), generator=generator))]
            try:
                pictures.append(self._store.pictures(index))
            except DataError as error:
                self._skip(self._store.name(index), error.message)
                continue
            chosen.append(index)
        options = self._augmentation
        moves = draw_moves(num_samples, self._store.side, self._size, options, generator)
        colours = _draw_colours(num_samples, options, generator).numpy()
        images = [
            recoloured(moved(frames, move, self._size), colour)
            for frames, move, colour in zip(pictures, moves.numpy(), colours, strict=True)
        ]
        return {
            "images": torch.from_numpy(np.stack(images).transpose(0, 1, 4, 2, 3).copy()),
            **labels_of_crops(self._store.labels.at(chosen), moves, self._size),
        }

    def _skip(self, name: str, reason: str) -> None:
        if name not in self._skipped.reasons:
            _log.warning("%s is skipped: %s", name, reason)
            self._skipped.add(name, reason)


def draw_moves(
    num_samples: int, side: int, size: int, options: CropAugmentation, generator: Generator
) -> Tensor:
    """Similarities (B, 3, 3) from pixels of stored crops to those of crops of `size` pixels.

    Pixels are counted from the corner. Without variation the whole crop is scaled to `size`.
    """

    def evenly(limit: float, *shape: int) -> Tensor:
        return limit * (2 * torch.rand(num_samples, *shape, generator=generator) - 1)

    angle = torch.deg2rad(evenly(options.rotation_deg))
    zoom = (1 + evenly(options.scale)) * (size / side)
    sign = 1 - 2 * (torch.rand(num_samples, generator=generator) < options.mirror).float()
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    moves = torch.zeros(num_samples, 3, 3)
    moves[:, 0, 0], moves[:, 0, 1] = sign * cos, -sin
    moves[:, 1, 0], moves[:, 1, 1] = sign * sin, cos
    moves[:, 2, 2] = 1
    # The middle goes to the middle, and from there it is shifted.
    middle = moves[:, :2, :2].sum(-1) * (side / 2)
    moves[:, :2, 2] = size / 2 - middle + evenly(options.shift * size, 2)
    return moves


def labels_of_crops(labels: CropLabels, moves: Tensor, size: int) -> dict[str, Tensor]:
    """Labels of crops after `moves` (B, 3, 3), as this module describes them."""
    linear, offset = moves[:, :2, :2], moves[:, :2, 2]
    pixels = labels.keypoints @ linear[:, None].mT + offset[:, None, None]
    is_mirrored = torch.linalg.det(linear) < 0
    keypoints = 2 * pixels / size - 1
    pose = _seen_from_crop(labels, moves, size)
    index = torch.from_numpy(H36M_17.mirror_index)
    mirrored = is_mirrored[:, None, None, None]
    pose = torch.where(mirrored, pose[:, :, index], pose)
    return {
        "keypoints": torch.where(mirrored, keypoints[:, :, index], keypoints),
        "pose": pose,
        "has_3d": pose.isfinite().all((1, 2, 3)),
    }


def _seen_from_crop(labels: CropLabels, moves: Tensor, size: int) -> Tensor:
    """Root-relative poses (B, T, 17, 3) of a camera that looks at the middle of the new crop.

    A turn or reflection of the picture is one of the camera's x and y.
    """
    middle = moves.new_tensor([size / 2, size / 2, 1.0]).expand(len(moves), 3)
    ray = torch.linalg.solve(labels.intrinsics, torch.linalg.solve(moves, middle))
    look_at = look_at_rotation(ray[:, :2] / ray[:, 2:])
    relative = labels.camera_xyz - labels.camera_xyz[:, :, :1]
    seen = relative @ look_at[:, None].mT
    linear = moves[:, :2, :2]
    in_plane = linear / torch.linalg.det(linear).abs().sqrt()[:, None, None]
    return torch.cat([seen[..., :2] @ in_plane[:, None].mT, seen[..., 2:]], dim=-1)


def moved(frames: np.ndarray, move: np.ndarray, size: int) -> np.ndarray:
    """Pictures (T, H, W, 3) after a similarity (3, 3) of their pixels, (T, size, size, 3).

    What lies outside continues the nearest edge.
    """
    # cv2 counts from the middle of the first pixel.
    to_corner, from_corner = np.eye(3), np.eye(3)
    to_corner[:2, 2], from_corner[:2, 2] = 0.5, -0.5
    matrix = (from_corner @ move @ to_corner)[:2]
    if size == frames.shape[1] == frames.shape[2] and np.allclose(matrix, np.eye(3)[:2]):
        return frames
    edge = cv2.BORDER_REPLICATE
    return np.stack(
        [cv2.warpAffine(frame, matrix, (size, size), borderMode=edge) for frame in frames]
    )


def _draw_colours(num_samples: int, options: CropAugmentation, generator: Generator) -> Tensor:
    """(B, 3): what is added, 0..255, and the factors on contrast and saturation."""
    limits = torch.tensor([255 * options.brightness, options.contrast, options.saturation])
    evenly = 2 * torch.rand(num_samples, 3, generator=generator) - 1
    return evenly * limits + torch.tensor([0.0, 1.0, 1.0])


def recoloured(frames: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Pictures (T, H, W, 3) uint8 with another brightness, contrast and saturation (3,)."""
    added, contrast, saturation = colour
    if added == 0 and contrast == 1 and saturation == 1:
        return frames
    grey = (frames @ _GREY)[..., None]
    out = grey + saturation * (frames - grey)
    # About the middle of the range: the mean of one picture would take a pass of its own.
    out = contrast * (out - 127.5) + (127.5 + added)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def read_picture(path: Path) -> np.ndarray:
    """A picture (H, W, 3) uint8, RGB, as it is stored, whatever EXIF says of turning it.

    Raises
    ------
    DataError
        If it cannot be read, or is none.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    return decoded(data, str(path))


def decoded(data: bytes, name: str) -> np.ndarray:
    """The picture (H, W, 3) uint8, RGB, in the bytes of an image file.

    Raises
    ------
    DataError
        If they are none.
    """
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    picture = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags) if data else None
    if picture is None:
        raise DataError(f"{name} is not a picture, or it is damaged.")
    return picture
