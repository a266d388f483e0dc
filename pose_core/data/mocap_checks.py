"""Checks of a recording: which way is up, is it of human size, is left on the left.

Nothing of this is taken from a file on trust: files are exported with wrong axes, units and sides
every day. Each check looks at how bodies are built and stand, and says what it has seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pose_core.interchange.named_points import UNITS
from pose_core.skeleton import H36M_17

# Standing: legs and trunk in one line, within this angle.
STANDING_DEG = 30.0
MIN_STANDING_FRAMES = 5
# The mean upward direction of a standing person must lie this near to an axis.
UP_WITHIN_DEG = 30.0

STATURE_M = (1.2, 2.2)
# Thigh, shin, and hip to shoulder as parts of stature (Winter, *Biomechanics and Motor Control
# of Human Movement*, figure 4.1): 0.245 + 0.246 + 0.288.
LEGS_AND_TRUNK_PER_STATURE = 0.779

# A knee counts as bent, and tells where its person's front is, from this angle on.
BENT_DEG = 20.0
WALKING_M_PER_S = 0.6
MIN_VOTES = 10.0
# Below this share of votes for the sides as named, they are taken to be exchanged.
EXCHANGED_BELOW, CLEAR_ABOVE = 0.3, 0.7

JUMP_M_PER_S = 16.0  # faster relative to the pelvis, and it is no movement of a person
# Bones of arms and legs that change more are told; along the back and at the collar bones the
# joints are no ends of one bone.
LOOSE_BONE = 0.05
LIMB_ENDS = ("knee", "ankle", "elbow", "wrist")
FEET_M = (-0.1, 0.35)  # heights of the lower ankle while somebody stands on the floor

Limbs = Mapping[str, np.ndarray]  # (T, 3) positions of the needed joints


@dataclass(frozen=True)
class Finding:
    """Something that a person should know of a recording.

    Parameters
    ----------
    text : str
    is_serious : bool
        The recording must not be used before somebody has decided.
    hint : str
        What the user can do about it.
    """

    text: str
    is_serious: bool = False
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.text} {self.hint}".strip()


@dataclass(frozen=True)
class UpEvidence:
    """Where the head is relative to the feet.

    Parameters
    ----------
    axis : str
        Such as ``y`` or ``-z``; empty where nobody stands, or not along an axis.
    num_standing : int
        Frames that count.
    off_deg : float
        Angle between the axis and the mean direction.
    """

    axis: str
    num_standing: int
    off_deg: float


def up_evidence(limbs: Limbs) -> UpEvidence:
    """Upward axis, from the frames in which somebody stands."""
    up = _unit(_middle(limbs, "shoulder") - _middle(limbs, "ankle"))[is_standing(limbs)]
    if len(up) < MIN_STANDING_FRAMES:
        return UpEvidence("", len(up), np.nan)
    mean = up.mean(axis=0)
    axis = int(np.argmax(np.abs(mean)))
    off_deg = float(np.rad2deg(np.arccos(min(abs(mean[axis]) / np.linalg.norm(mean), 1.0))))
    if off_deg > UP_WITHIN_DEG or np.linalg.norm(mean) < np.cos(np.deg2rad(UP_WITHIN_DEG)):
        return UpEvidence("", len(up), off_deg)
    return UpEvidence(("-" if mean[axis] < 0 else "") + "xyz"[axis], len(up), off_deg)


def is_standing(limbs: Limbs) -> np.ndarray:
    """(T,) bool: from ankles to hips and from hips to shoulders it goes nearly straight on."""
    hip = _middle(limbs, "hip")
    legs, trunk = hip - _middle(limbs, "ankle"), _middle(limbs, "shoulder") - hip
    return (_unit(legs) * _unit(trunk)).sum(-1) > np.cos(np.deg2rad(STANDING_DEG))


def turn_to_z_up(up: str) -> np.ndarray:
    """(3, 3) rotation from axes with the given one up to a world with z up."""
    axis = "xyz".index(up[-1])
    direction = np.eye(3)[axis] * (-1 if up.startswith("-") else 1)
    # y up: (x, y, z) becomes (x, -z, y), as in all conversions between the two.
    first = np.eye(3)[0 if axis != 0 else 1]
    return np.stack([first, np.cross(direction, first), direction])


def stature(limbs: Limbs) -> float:
    """Height of the person from legs and trunk, in the unit of the positions.

    NaN where a joint is never seen.
    """
    parts = [
        _median_length(limbs[f"{side}_{a}"], limbs[f"{side}_{b}"])
        for a, b in (("hip", "knee"), ("knee", "ankle"))
        for side in ("left", "right")
    ]
    trunk = _median_length(_middle(limbs, "hip"), _middle(limbs, "shoulder"))
    return (sum(parts) / 2 + trunk) / LEGS_AND_TRUNK_PER_STATURE


def fitting_units(stature_in_units: float) -> list[str]:
    """Units in which somebody of this stature is of human size."""
    low, high = STATURE_M
    return [name for name, size in UNITS.items() if low <= stature_in_units * size <= high]


@dataclass(frozen=True)
class SideEvidence:
    """Votes for the sides as they are named: 1 if all agree, 0 if all disagree.

    Parameters
    ----------
    share : float
        Of all votes that agree; NaN without votes.
    num_votes : float
    seen : tuple of str
        What was looked at, in words.
    """

    share: float
    num_votes: float
    seen: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """``agree``, ``exchanged``, or ``unknown``."""
        if self.num_votes < MIN_VOTES or EXCHANGED_BELOW <= self.share <= CLEAR_ABOVE:
            return "unknown"
        return "agree" if self.share > CLEAR_ABOVE else "exchanged"


def side_evidence(limbs: Limbs, toes: Limbs, fps: float) -> SideEvidence:
    """Look whether knees bend, toes point and people walk to the front that the names imply.

    With x to the person's left and y up, front is z in right-handed axes. Names that are
    exchanged and axes that are left-handed both put it at the back.

    Parameters
    ----------
    limbs : mapping of (T, 3) ndarray
        Metres, z up.
    toes : mapping of (T, 3) ndarray
        ``left`` and ``right``, where known.
    fps : float
    """
    left = _unit(limbs["left_hip"] - limbs["right_hip"])
    front = _unit(np.cross(left, _middle(limbs, "shoulder") - _middle(limbs, "hip")))
    seen, agreeing, total = [], 0.0, 0.0
    for name, votes in (
        ("knees bend", _knee_votes(limbs, front)),
        ("toes point", _toe_votes(limbs, toes, front)),
        ("steps lead", _walking_votes(limbs, front, fps)),
    ):
        votes = votes[np.isfinite(votes)]
        if len(votes) and np.abs(votes).sum() > 0:
            part, whole = np.maximum(votes, 0).sum(), np.abs(votes).sum()
            agreeing, total = agreeing + part, total + whole
            seen.append(f"{name} forwards in {100 * part / whole:.0f} %")
    return SideEvidence(agreeing / total if total else np.nan, total, tuple(seen))


def _knee_votes(limbs: Limbs, front: np.ndarray) -> np.ndarray:
    """The knee of a bent leg lies in front of the line from hip to ankle."""
    votes = []
    for side in ("left", "right"):
        hip, knee, ankle = (limbs[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle"))
        bend = np.rad2deg(
            np.arccos(np.clip((_unit(knee - hip) * _unit(ankle - knee)).sum(-1), -1, 1))
        )
        line = _unit(ankle - hip)
        bulge = (knee - hip) - ((knee - hip) * line).sum(-1, keepdims=True) * line
        votes.append(np.where(bend > BENT_DEG, (_unit(bulge) * front).sum(-1), np.nan))
    return np.concatenate(votes)


def _toe_votes(limbs: Limbs, toes: Limbs, front: np.ndarray) -> np.ndarray:
    votes = [(_unit(toe - limbs[f"{side}_ankle"]) * front).sum(-1) for side, toe in toes.items()]
    return np.concatenate(votes) if votes else np.zeros(0)


def _walking_votes(limbs: Limbs, front: np.ndarray, fps: float) -> np.ndarray:
    """People walk forwards more than backwards; dancers may not, so it counts less."""
    velocity = np.gradient(_middle(limbs, "hip"), axis=0) * fps if len(front) > 1 else front * 0
    velocity = velocity * [1, 1, 0]
    speed = np.linalg.norm(velocity, axis=-1)
    return np.where(speed > WALKING_M_PER_S, 0.3 * (_unit(velocity) * front).sum(-1), np.nan)


def bone_variation(xyz: np.ndarray) -> dict[str, float]:
    """How much each bone changes its length: 5 to 95 % range as a share of the median.

    Parameters
    ----------
    xyz : (T, 17, 3) ndarray

    Returns
    -------
    dict
        By the name of the bone's lower joint; bones that are never seen are left out.
    """
    parents, children = np.array(H36M_17.bones).T
    lengths = np.linalg.norm(xyz[:, children] - xyz[:, parents], axis=-1)
    seen = np.isfinite(lengths).any(axis=0) & (np.nan_to_num(lengths).max(axis=0) > 0)
    low, median, high = np.nanpercentile(lengths[:, seen], [5, 50, 95], axis=0)
    names = [H36M_17.joint_names[child] for child in children[seen]]
    # A bone that has mostly no length at all varies without bounds.
    spread = (high - low) / np.maximum(median, 1e-9)
    return dict(zip(names, spread.tolist(), strict=True))


def jumps(xyz: np.ndarray, fps: float) -> np.ndarray:
    """(T - 1,) bool: steps in which a joint moves faster, relative to the pelvis, than people can.

    Parameters
    ----------
    xyz : (T, 17, 3) ndarray
        Metres.
    """
    speed = np.linalg.norm(np.diff(xyz - xyz[:, :1], axis=0), axis=-1) * fps
    return (speed > JUMP_M_PER_S).any(axis=-1)


def _middle(limbs: Limbs, joint: str) -> np.ndarray:
    return (limbs[f"left_{joint}"] + limbs[f"right_{joint}"]) / 2


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors; NaN where there is no length."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, np.nan)


def _median_length(a: np.ndarray, b: np.ndarray) -> float:
    length = np.linalg.norm(b - a, axis=-1)
    length = length[np.isfinite(length)]
    return float(np.median(length)) if len(length) else np.nan
