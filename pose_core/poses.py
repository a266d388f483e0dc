"""2D keypoints and 3D poses of one person over time."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pose_core.array_versions import with_frames
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

    @cached_property
    def edited_mask(self) -> np.ndarray:
        """(T,) bool: frames in which something was set by hand or interpolated."""
        sources = np.asarray(self.sources)
        mask = np.zeros(len(sources), dtype=bool)
        # Neither `isin` nor `any` along so short an axis: they take long in a million frames.
        is_edited = (sources == SOURCE_USER) | (sources == SOURCE_INTERPOLATED)
        mask[np.flatnonzero(is_edited) // sources.shape[1]] = True
        return mask

    def with_frames(self, start: int, part: "Keypoints2D") -> "Keypoints2D":
        """The same with the frames of `part` from `start` on; of the others nothing is copied."""
        other = Keypoints2D(
            with_frames(self.xy, 0, start, part.xy),
            with_frames(self.scores, 0, start, part.scores),
            self.skeleton,
            with_frames(np.asarray(self.sources), 0, start, np.asarray(part.sources)),
        )
        other.take_over(self, start, start + len(part))
        return other

    def part(self, start: int, end: int) -> "Keypoints2D":
        """The frames ``start <= frame < end`` alone, as views."""
        frames = slice(start, end)
        sources = np.asarray(self.sources)[frames]
        return Keypoints2D(self.xy[frames], self.scores[frames], self.skeleton, sources)

    def take_over(self, known: "Keypoints2D", start: int, end: int) -> None:
        """Find out nothing anew that is known of keypoints which differ in some frames alone."""
        part = self.part(start, end)
        for name in ("present_mask", "frame_scores", "edited_mask"):
            if name in known.__dict__:
                values = known.__dict__[name].copy()
                values[start:end] = getattr(part, name)
                self.__dict__[name] = values


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

    def with_frames(self, start: int, stages: np.ndarray, root: np.ndarray) -> "Poses3D":
        """The same with other poses from a frame on; of the other frames nothing is copied.

        Parameters
        ----------
        start : int
        stages : (S, N, J, 3) ndarray
        root : (N, 3) ndarray
        """
        return replace(
            self,
            stages=with_frames(self.stages, 1, start, stages),
            root=with_frames(np.asarray(self.root), 0, start, root),
        )
