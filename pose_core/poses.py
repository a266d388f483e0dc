"""2D keypoints and 3D poses of one person over time."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pose_core.errors import ConfigError
from pose_core.skeleton import H36M_17, Skeleton

# Where a joint's position comes from; stored per frame and joint as uint8.
SOURCE_NONE, SOURCE_DETECTOR, SOURCE_MODEL, SOURCE_USER, SOURCE_INTERPOLATED = range(5)
SOURCE_IMPORTED = 5  # from a file of another program


def _frozen(array: np.ndarray, dtype: type) -> np.ndarray:
    """Read-only contiguous copy-on-need view of an array."""
    result = np.ascontiguousarray(array, dtype=dtype).view()
    result.flags.writeable = False
    return result


@dataclass(frozen=True, eq=False)
class Keypoints2D:
    """2D keypoints of one track.

    Parameters
    ----------
    xy : (T, J, 2) float32 ndarray
        Pixels of the upright picture; NaN where missing.
    scores : (T, J) float32 ndarray
        Confidence 0..1; 0 where missing.
    skeleton : Skeleton
    sources : (T, J) uint8 ndarray, optional
        One of the ``SOURCE_`` constants; detector by default.
    """

    xy: np.ndarray
    scores: np.ndarray
    skeleton: Skeleton = H36M_17
    sources: np.ndarray | None = None

    def __post_init__(self) -> None:
        xy = _frozen(self.xy, np.float32)
        if xy.ndim != 3 or xy.shape[1:] != (self.skeleton.num_joints, 2):
            raise ConfigError(
                f"Keypoints of {self.skeleton.name} must be (T, {self.skeleton.num_joints}, 2), "
                f"not {self.xy.shape}."
            )
        if self.scores.shape != xy.shape[:2]:
            raise ConfigError(f"Scores must be {xy.shape[:2]}, not {self.scores.shape}.")
        sources = self.sources
        if sources is None:
            sources = np.where(np.isnan(xy[..., 0]), SOURCE_NONE, SOURCE_DETECTOR)
        object.__setattr__(self, "xy", xy)
        object.__setattr__(self, "scores", _frozen(self.scores, np.float32))
        object.__setattr__(self, "sources", _frozen(sources, np.uint8))

    def __len__(self) -> int:
        return len(self.xy)

    @cached_property
    def present_mask(self) -> np.ndarray:
        """(T,) bool: frames with at least one joint."""
        x = self.xy[..., 0]
        mask = np.isfinite(x[:, 0])
        others = np.flatnonzero(~mask)  # mostly few: the rest need not be looked at
        mask[others] = np.isfinite(x[others]).any(axis=1)
        return mask

    @cached_property
    def frame_scores(self) -> np.ndarray:
        """(T,) float32: mean confidence of the joints of each frame."""
        num_joints = self.skeleton.num_joints
        # A product is many times faster than a mean along so short an axis.
        return self.scores @ np.full(num_joints, 1 / num_joints, np.float32)

    @cached_property
    def mean_score(self) -> float:
        """Mean confidence of all joints in the frames with a person; 0 where there is none."""
        return (
            float(self.frame_scores[self.present_mask].mean()) if self.present_mask.any() else 0.0
        )


@dataclass(frozen=True, eq=False)
class Poses3D:
    """3D poses of one track from one model, every stage kept.

    Parameters
    ----------
    stages : (S, T, J, 3) float32 ndarray
        Root-relative positions in camera axes (x right, y down, z forward), metres.
        The last stage is the answer; NaN where there is no pose.
    root : (T, 3) float32 ndarray, optional
        Root position in camera coordinates, metres; NaN where unknown.
    skeleton : Skeleton
    is_root_estimated : bool
        True when focal length or body height were assumed.
    """

    stages: np.ndarray
    root: np.ndarray | None = None
    skeleton: Skeleton = H36M_17
    is_root_estimated: bool = True

    def __post_init__(self) -> None:
        stages = _frozen(self.stages, np.float32)
        if stages.ndim != 4 or stages.shape[2:] != (self.skeleton.num_joints, 3):
            raise ConfigError(
                f"Poses of {self.skeleton.name} must be (S, T, {self.skeleton.num_joints}, 3), "
                f"not {self.stages.shape}."
            )
        root = self.root
        if root is None:
            root = np.full((stages.shape[1], 3), np.nan)
        if root.shape != (stages.shape[1], 3):
            raise ConfigError(f"Root positions must be {(stages.shape[1], 3)}, not {root.shape}.")
        object.__setattr__(self, "stages", stages)
        object.__setattr__(self, "root", _frozen(root, np.float32))

    def __len__(self) -> int:
        return self.stages.shape[1]

    @property
    def xyz(self) -> np.ndarray:
        """(T, J, 3) root-relative answer (the last stage), metres."""
        return self.stages[-1]

    @property
    def camera_xyz(self) -> np.ndarray:
        """(T, J, 3) positions in camera coordinates, metres; NaN where the root is unknown."""
        return self.xyz + np.asarray(self.root)[:, None]
