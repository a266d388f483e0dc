"""What is wrong with a body, frame by frame: findings that need no truth.

Each finding is a severity for every frame and joint beside the threshold from which it counts.
They hold for any skeleton that names its limbs as Human3.6M-17 and MPII-16 do.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from pose_core.bones import bone_lengths
from pose_core.errors import ConfigError
from pose_core.levelling import UP
from pose_core.skeleton import H36M_17, Skeleton

LEGS, ARMS = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")
# Height of the ankle joint above the sole.
_ANKLE_HEIGHT_M = 0.08
# An ankle stands that is as near as this to where it rests, and rises or falls no faster.
_CONTACT_HEIGHT_M = 0.02
_CONTACT_RISE_M_S = 0.15


@dataclass(frozen=True, kw_only=True)
class AnatomyThresholds:
    """From which severity on a finding counts.

    Parameters
    ----------
    illegal_angle_deg : float
        Elbow or knee bent the wrong way, degrees.
    side_difference_m : float
        Bone longer than the same bone of the other side, metres.
    length_deviation_m : float
        Bone longer or shorter than its median over the clip, metres.
    jump_m_s : float
        Speed of a joint relative to the pelvis, metres a second.
    foot_slide_m_s : float
        Speed along the ground of the ankle that stands, metres a second.
    below_floor_m : float
        Depth of a joint below the ground, metres.
    side_swap_m : float
        How much less the joints of both legs, or both arms, would move on average from one frame
        to the next if left and right were exchanged, metres.
    """

    illegal_angle_deg: float = 20.0
    side_difference_m: float = 0.05
    length_deviation_m: float = 0.05
    jump_m_s: float = 10.0
    foot_slide_m_s: float = 0.5
    below_floor_m: float = 0.05
    side_swap_m: float = 0.05

    def __post_init__(self) -> None:
        for f in fields(self):
            if not getattr(self, f.name) > 0:
                raise ConfigError(f"The threshold {f.name} must be positive.")


@dataclass(frozen=True, eq=False)
class Finding:
    """One kind of mistake over a clip.

    Parameters
    ----------
    name : str
        Short name, for example ``foot_slide``.
    unit : str
        Of severity and threshold.
    threshold : float
    severity : (T, J) ndarray
        0 is faultless; NaN where it cannot be told, or does not concern the joint.
    """

    name: str
    unit: str
    threshold: float
    severity: np.ndarray

    @property
    def found_mask(self) -> np.ndarray:
        """(T, J) bool: beyond the threshold."""
        return self.severity > self.threshold

    @property
    def per_frame(self) -> np.ndarray:
        """(T,) severity of the worst joint; NaN where none can be told."""
        return np.fmax.reduce(self.severity, axis=1)


@dataclass(frozen=True, eq=False)
class AnatomyFindings:
    """All findings of one person; iterate to have each in turn.

    Parameters
    ----------
    illegal_angle, side_difference, length_deviation, jump, foot_slide, below_floor, side_swap : \
Finding
        See `AnatomyThresholds`. Without root positions nothing can be told of the ground.
    """

    illegal_angle: Finding
    side_difference: Finding
    length_deviation: Finding
    jump: Finding
    foot_slide: Finding
    below_floor: Finding
    side_swap: Finding

    def __iter__(self) -> Iterator[Finding]:
        return (getattr(self, f.name) for f in fields(self))


def anatomy_findings(
    poses: np.ndarray,
    times_s: np.ndarray,
    root: np.ndarray | None = None,
    *,
    up: np.ndarray = UP,
    skeleton: Skeleton = H36M_17,
    thresholds: AnatomyThresholds = AnatomyThresholds(),
) -> AnatomyFindings:
    """Examine a sequence of poses.

    Parameters
    ----------
    poses : (T, J, 3) ndarray
        Root-relative, camera axes, metres; NaN where missing.
    times_s : (T,) ndarray
        Increasing seconds.
    root : (T, 3) ndarray, optional
        Pelvis in camera coordinates, metres.
    up : (3,) ndarray
        Unit vector away from the ground, camera axes. That of a level camera by default; for
        another one, ``levelling_rotation(camera_xyz).T @ UP``.
    skeleton : Skeleton
    thresholds : AnatomyThresholds

    Returns
    -------
    AnatomyFindings
    """
    poses, times_s = np.asarray(poses, np.float64), np.asarray(times_s, np.float64)
    lengths = _lengths(poses, skeleton)
    camera_xyz = np.full_like(poses, np.nan) if root is None else poses + root[:, None]
    heights = _heights(camera_xyz, up, skeleton)
    slide = _foot_slide(camera_xyz, heights, times_s, up, skeleton)
    t = thresholds
    return AnatomyFindings(
        Finding("illegal_angle", "deg", t.illegal_angle_deg, illegal_bend_deg(poses, skeleton)),
        Finding("side_difference", "m", t.side_difference_m, _side_difference(lengths, skeleton)),
        Finding("length_deviation", "m", t.length_deviation_m, _off_median(lengths)),
        Finding("jump", "m/s", t.jump_m_s, _speed(poses, times_s)),
        Finding("foot_slide", "m/s", t.foot_slide_m_s, slide),
        Finding("below_floor", "m", t.below_floor_m, np.maximum(-_ANKLE_HEIGHT_M - heights, 0.0)),
        Finding("side_swap", "m", t.side_swap_m, side_swap_gain(poses, skeleton)),
    )


def illegal_bend_deg(poses: np.ndarray, skeleton: Skeleton = H36M_17) -> np.ndarray:
    """How far elbows and knees are bent the wrong way, degrees (T, J); NaN for other joints.

    Where it is more than ``straight_deg``, `pose_core.losses.structure.illegal_joints` is true.
    """
    import torch  # noqa: PLC0415 - slow to import

    from pose_core.losses.structure import HINGES, hinge_volumes  # noqa: PLC0415 - needs torch

    is_legal = hinge_volumes(torch.tensor(poses), skeleton).numpy() >= 0
    severity = np.full(poses.shape[:2], np.nan)
    for column, name in enumerate(HINGES):
        hinge = skeleton.index(name)
        (end,) = (child for child, parent in enumerate(skeleton.parents) if parent == hinge)
        upper = poses[:, hinge] - poses[:, skeleton.parents[hinge]]
        lower = poses[:, end] - poses[:, hinge]
        across = np.linalg.norm(np.cross(upper, lower), axis=-1)
        bend = np.rad2deg(np.arctan2(across, (upper * lower).sum(-1)))
        severity[:, hinge] = np.where(is_legal[:, column], 0.0, bend)
    return severity


def side_swap_gain(poses: np.ndarray, skeleton: Skeleton = H36M_17) -> np.ndarray:
    """How much less legs or arms would move into a frame with left and right exchanged.

    Returns
    -------
    (T, J) ndarray
        Metres, mean over the six joints of both legs (or arms), the same for each of them; 0
        where exchanging gains nothing. NaN for the trunk and the first frame.
    """
    gain = np.full(poses.shape[:2], np.nan)
    exchanged = poses[:, skeleton.mirror_index]
    for limb in (LEGS, ARMS):
        joints = [skeleton.index(f"{side}_{name}") for side in ("left", "right") for name in limb]
        before = poses[:-1, joints]
        kept = np.linalg.norm(poses[1:, joints] - before, axis=-1).mean(-1)
        swapped = np.linalg.norm(exchanged[1:, joints] - before, axis=-1).mean(-1)
        gain[1:, joints] = np.maximum(kept - swapped, 0.0)[:, None]
    return gain


def _lengths(poses: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(T, J) length of the bone that ends in each joint, metres; NaN for roots."""
    lengths = np.full(poses.shape[:2], np.nan)
    lengths[:, [child for _, child in skeleton.bones]] = bone_lengths(poses, skeleton)
    return lengths


def _side_difference(lengths: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(T, J) difference of each bone from that of the other side; NaN for the trunk."""
    difference = np.abs(lengths - lengths[:, skeleton.mirror_index])
    difference[:, skeleton.mirror_index == np.arange(skeleton.num_joints)] = np.nan
    return difference


def _off_median(lengths: np.ndarray) -> np.ndarray:
    """(T, J) distance of each bone's length from its median over the clip."""
    off = np.full_like(lengths, np.nan)
    known = np.isfinite(lengths).any(axis=0)  # a bone that is never there has no median
    off[:, known] = np.abs(lengths[:, known] - np.nanmedian(lengths[:, known], axis=0))
    return off


def _speed(poses: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """(T, J) metres a second from the frame before; NaN in the first."""
    speed = np.full(poses.shape[:2], np.nan)
    speed[1:] = np.linalg.norm(np.diff(poses, axis=0), axis=-1) / np.diff(times_s)[:, None]
    return speed


def _heights(camera_xyz: np.ndarray, up: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(T, J) metres above where the lower ankle rests, which is its median: one foot stands."""
    height = camera_xyz @ up
    ankles = [skeleton.index("left_ankle"), skeleton.index("right_ankle")]
    lower = np.fmin.reduce(height[:, ankles], axis=1)
    lower = lower[np.isfinite(lower)]
    return height - (np.median(lower) if len(lower) else np.nan)


def _foot_slide(
    camera_xyz: np.ndarray,
    heights: np.ndarray,
    times_s: np.ndarray,
    up: np.ndarray,
    skeleton: Skeleton,
) -> np.ndarray:
    """(T, J) speed of standing ankles along the ground, 0 for those that do not stand.

    An ankle stands that is at its resting height in the frame and those beside it, and neither
    rises nor falls. NaN for other joints and for the first and last frame.
    """
    slide = np.full(heights.shape, np.nan)
    for name in ("left_ankle", "right_ankle"):
        joint = skeleton.index(name)
        moved = camera_xyz[2:, joint] - camera_xyz[:-2, joint]
        velocity = moved / (times_s[2:] - times_s[:-2])[:, None]
        rising = velocity @ up
        along = np.linalg.norm(velocity - rising[:, None] * up, axis=-1)
        at_rest = np.abs(heights[:, joint]) < _CONTACT_HEIGHT_M
        stands = at_rest[:-2] & at_rest[1:-1] & at_rest[2:] & (np.abs(rising) < _CONTACT_RISE_M_S)
        unknown = np.isnan(along) | np.isnan(heights[1:-1, joint])
        slide[1:-1, joint] = np.where(unknown, np.nan, np.where(stands, along, 0.0))
    return slide
