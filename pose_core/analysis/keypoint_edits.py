"""Edits of 2D keypoints by hand, as plain data.

A joint of a frame is *visible*, *occluded* or *absent*, as in COCO. That is told by its score:
occluded joints have one above 0 and up to `HIDDEN_SCORE`, absent ones are NaN with score 0.
Whatever a person decides has the source ``SOURCE_USER``, also that a joint is absent: so it
survives when the poses are estimated again.
"""

from dataclasses import dataclass

import numpy as np

from pose_core.interchange.named_keypoints import marks_of
from pose_core.poses import SOURCE_INTERPOLATED, SOURCE_USER, Keypoints2D
from pose_core.skeleton import H36M_17

ABSENT, OCCLUDED, VISIBLE = range(3)  # the marks v of COCO
BY_HAND = (SOURCE_USER, SOURCE_INTERPOLATED)
VISIBLE_SCORE = 1.0
BOX_MARGIN = 0.08  # around the joints, in longer sides of the box
SMALLEST_BOX_PX = 8.0
OCCLUDED_SCORE = 0.25

_LIMB_JOINTS = {
    "arms": ("shoulder", "elbow", "wrist"),
    "legs": ("hip", "knee", "ankle"),
}
# Both sides of what may be exchanged.
SWAPPED_JOINTS = {
    name: tuple(H36M_17.index(f"{side}_{part}") for side in ("left", "right") for part in parts)
    for name, parts in _LIMB_JOINTS.items()
}
SWAPPED_JOINTS["all"] = tuple(joint for pair in H36M_17.left_right_pairs for joint in pair)

# A person who stands and faces the camera, in shares of the box around: x to the picture's
# right, y down. The person's own left is at the right of the picture.
_STANDING = {
    "pelvis": (0.5, 0.49), "hip": (0.16, 0.49), "knee": (0.18, 0.74), "ankle": (0.2, 0.98),
    "spine": (0.5, 0.355), "thorax": (0.5, 0.2), "neck": (0.5, 0.115), "head_top": (0.5, 0.0),
    "shoulder": (0.24, 0.215), "elbow": (0.38, 0.37), "wrist": (0.5, 0.52),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class FramePose:
    """Keypoints of one person in one frame.

    Parameters
    ----------
    xy : (17, 2) float32 ndarray
        Pixels; NaN where absent.
    scores : (17,) float32 ndarray
    sources : (17,) uint8 ndarray
        ``SOURCE_`` constants of `pose_core.poses`.
    """

    xy: np.ndarray
    scores: np.ndarray
    sources: np.ndarray

    @classmethod
    def of(cls, keypoints: Keypoints2D, frame: int) -> "FramePose":
        """The pose in a frame; nothing of it is copied."""
        return cls(
            keypoints.xy[frame], keypoints.scores[frame], np.asarray(keypoints.sources)[frame]
        )

    @property
    def marks(self) -> np.ndarray:
        """(17,) uint8: `ABSENT`, `OCCLUDED` or `VISIBLE`."""
        return np.where(np.isfinite(self.xy[:, 0]), marks_of(self.scores), ABSENT).astype(np.uint8)

    @property
    def known_joints(self) -> np.ndarray:
        """Indices of the joints that are not absent."""
        return np.flatnonzero(np.isfinite(self.xy).all(axis=1))

    def put_into(self, keypoints: Keypoints2D, frame: int) -> Keypoints2D:
        """The keypoints with this pose in a frame."""
        part = Keypoints2D(self.xy[None], self.scores[None], keypoints.skeleton, self.sources[None])
        return keypoints.with_frames(frame, part)

    def is_same(self, other: "FramePose") -> bool:
        """Whether no value differs; absent joints are equal to each other."""
        return (
            np.array_equal(self.xy, other.xy, equal_nan=True)
            and np.array_equal(self.scores, other.scores)
            and np.array_equal(self.sources, other.sources)
        )


@dataclass(frozen=True)
class Sides:
    """Sides of a box.

    Parameters
    ----------
    across : int
        -1: the left one, 1: the right one, 0: none of the two.
    along : int
        -1: the upper one, 1: the lower one, 0: none of the two.
    """

    across: int
    along: int


def box_around(
    pose: FramePose, width: int, height: int
) -> tuple[float, float, float, float] | None:
    """The box x0, y0, x1, y1 of a person: its joints with a margin, inside the picture.

    None where fewer than two joints are known, or they are beside the picture.
    """
    xy = pose.xy[pose.known_joints].astype(np.float64)
    if len(xy) < 2:
        return None
    margin = BOX_MARGIN * float(np.ptp(xy, axis=0).max())
    x0, y0 = np.maximum(xy.min(axis=0) - margin, 0).tolist()
    x1, y1 = np.minimum(xy.max(axis=0) + margin, (width, height)).tolist()
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def box_with_sides(
    box: tuple[float, float, float, float],
    sides: Sides,
    place: tuple[float, float],
    width: int,
    height: int,
) -> tuple[float, float, float, float]:
    """A box some of whose sides are put elsewhere: inside the picture, and not past the others.

    Parameters
    ----------
    box : (x0, y0, x1, y1)
        Pixels.
    sides : Sides
    place : (float, float)
        Where to put them, pixels.
    width, height : int
        Of the picture.
    """
    x0, x1 = _moved_ends(box[0], box[2], sides.across, place[0], width)
    y0, y1 = _moved_ends(box[1], box[3], sides.along, place[1], height)
    return x0, y0, x1, y1


def found_anew(pose: FramePose, found: FramePose) -> FramePose:
    """A pose as a detector has found it again; joints edited by hand stay as they are."""
    is_kept = np.isin(pose.sources, BY_HAND)
    return FramePose(
        np.where(is_kept[:, None], pose.xy, found.xy),
        np.where(is_kept, pose.scores, found.scores),
        np.where(is_kept, pose.sources, found.sources),
    )


def shifted(pose: FramePose, joints: np.ndarray, dx: float, dy: float) -> FramePose:
    """Joints moved by so many pixels; those that are absent stay so."""
    joints = np.intersect1d(joints, pose.known_joints)
    return _set(pose, joints, pose.xy[joints] + np.array([dx, dy]))


def placed(pose: FramePose, joint: int, x: float, y: float) -> FramePose:
    """A joint put somewhere, be it absent before."""
    return _set(pose, np.array([joint]), np.array([[x, y]]))


def confirmed(pose: FramePose, joint: int) -> FramePose:
    """A joint that was predicted, made one's own where it is; an absent one stays absent."""
    return shifted(pose, np.array([joint]), 0.0, 0.0)


def removed(pose: FramePose, joints: np.ndarray) -> FramePose:
    """Joints made absent."""
    return _with(pose, joints, np.nan, 0.0)


def next_visibility(pose: FramePose, joint: int, place: tuple[float, float] | None) -> FramePose:
    """A joint made the next of: visible, occluded, absent, visible.

    Parameters
    ----------
    pose : FramePose
    joint : int
    place : (float, float), optional
        Where it appears when it was absent; without it it stays absent.
    """
    mark = pose.marks[joint]
    if mark == VISIBLE:
        return _with(pose, np.array([joint]), pose.xy[joint], OCCLUDED_SCORE)
    if mark == OCCLUDED:
        return removed(pose, np.array([joint]))
    return pose if place is None else placed(pose, joint, *place)


def pasted(pose: FramePose, copied: FramePose) -> FramePose:
    """The joints of a copied pose where it has them; the others stay."""
    joints = copied.known_joints
    return _with(pose, joints, copied.xy[joints], copied.scores[joints])


def key_frames(keypoints: Keypoints2D) -> np.ndarray:
    """(N,) int: frames in which somebody has set a joint."""
    sources = np.asarray(keypoints.sources)
    return np.unique(np.flatnonzero(sources == SOURCE_USER) // sources.shape[1])


def span_around(keypoints: Keypoints2D, frame: int) -> tuple[int, int] | None:
    """From the last key frame up to `frame` to the next one; None where there are no two.

    Returns
    -------
    (int, int) or None
        Frames ``start <= frame < end``, both key frames among them.
    """
    keys = key_frames(keypoints)
    place = int(np.searchsorted(keys, frame, side="right"))
    if place == 0 or place == len(keys):
        return None
    return int(keys[place - 1]), int(keys[place]) + 1


def interpolated(keypoints: Keypoints2D, times_s: np.ndarray, start: int, end: int) -> Keypoints2D:
    """Joints on the straight way, even in time, between the key frames of a range.

    A joint is moved only between two frames in which it was itself set by hand; where somebody
    has set it, or said that it is absent, it stays.

    Parameters
    ----------
    keypoints : Keypoints2D
    times_s : (T,) ndarray
    start, end : int
    """
    part, times_s = keypoints.part(start, end), times_s[start:end]
    xy, scores, sources = part.xy.copy(), part.scores.copy(), np.array(part.sources)
    is_key = (sources == SOURCE_USER) & np.isfinite(xy[..., 0])
    for joint in np.flatnonzero(is_key.sum(axis=0) >= 2):
        keys = np.flatnonzero(is_key[:, joint])
        between = np.arange(keys[0], keys[-1])
        between = between[sources[between, joint] != SOURCE_USER]
        for values in (xy[:, joint, 0], xy[:, joint, 1], scores[:, joint]):
            values[between] = np.interp(times_s[between], times_s[keys], values[keys])
        sources[between, joint] = SOURCE_INTERPOLATED
    return keypoints.with_frames(start, Keypoints2D(xy, scores, keypoints.skeleton, sources))


def expected_xy(keypoints: Keypoints2D, frame: int, reach: int = 50) -> np.ndarray:
    """Where the joints should lie in a frame, from the frames around it in which they are known.

    Parameters
    ----------
    keypoints : Keypoints2D
    frame : int
    reach : int
        How many frames to look to either side.

    Returns
    -------
    (17, 2) float64 ndarray
        Pixels; NaN for joints that are not known so near.
    """
    first = max(frame - reach, 0)
    xy = keypoints.xy[first : frame + reach + 1].astype(np.float64)
    frames = first + np.arange(len(xy))
    found = np.full(xy.shape[1:], np.nan)
    for joint in range(xy.shape[1]):
        known = np.isfinite(xy[:, joint, 0])
        if known.any():
            for axis in range(2):
                found[joint, axis] = np.interp(frame, frames[known], xy[known, joint, axis])
    return found


def standing_in_box(box: tuple[float, float, float, float]) -> np.ndarray:
    """(17, 2) pixels of somebody who stands in a box x0, y0, x1, y1 and faces the camera."""
    x0, y0, x1, y1 = box
    shares = np.zeros((H36M_17.num_joints, 2))
    for joint, name in enumerate(H36M_17.joint_names):
        side = H36M_17.side(joint)
        x, y = _STANDING[name.removeprefix(f"{side}_")]
        sign = {"left": 1, "right": -1, "middle": 0}[side]
        shares[joint] = 0.5 + sign * x, y
    return np.array([x0, y0]) + shares * np.array([x1 - x0, y1 - y0])


def _moved_ends(
    low: float, high: float, end: int, place: float, size: float
) -> tuple[float, float]:
    """An interval one of whose ends (-1: the lower, 1: the upper) is put elsewhere."""
    if end < 0:
        low = min(max(place, 0.0), high - SMALLEST_BOX_PX)
    elif end > 0:
        high = max(min(place, size), low + SMALLEST_BOX_PX)
    return low, high


def _set(pose: FramePose, joints: np.ndarray, xy: np.ndarray) -> FramePose:
    """Joints put somewhere: visible, unless they were said to be occluded."""
    is_occluded = (pose.sources[joints] == SOURCE_USER) & (pose.marks[joints] == OCCLUDED)
    return _with(pose, joints, xy, np.where(is_occluded, OCCLUDED_SCORE, VISIBLE_SCORE))


def _with(
    pose: FramePose, joints: np.ndarray, xy: np.ndarray | float, scores: np.ndarray | float
) -> FramePose:
    """Joints as somebody has decided them."""
    all_xy, all_scores, sources = pose.xy.copy(), pose.scores.copy(), pose.sources.copy()
    all_xy[joints], all_scores[joints], sources[joints] = xy, scores, SOURCE_USER
    return FramePose(all_xy, all_scores, sources)
