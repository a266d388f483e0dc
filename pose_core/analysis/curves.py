"""What one joint does over time: place, speed, acceleration, angle."""

from dataclasses import dataclass

import numpy as np

from pose_core.errors import ConfigError
from pose_core.skeleton import H36M_17, Skeleton


@dataclass(frozen=True)
class Quantity:
    """Something that can be drawn over time.

    Parameters
    ----------
    title : str
    unit : str
    components : tuple of str
        Names of its curves.
    """

    title: str
    unit: str
    components: tuple[str, ...] = ("",)


QUANTITIES = {
    # Camera axes: x right, y down, z forward.
    "position": Quantity("Position", "m", ("x", "y", "z")),
    "speed": Quantity("Speed", "m/s"),
    "acceleration": Quantity("Acceleration", "m/s\N{SUPERSCRIPT TWO}"),
    "angle": Quantity("Joint angle", "deg"),
    "confidence": Quantity("Confidence of the keypoint", "0..1"),
}


def joint_curves(
    xyz: np.ndarray,
    times_s: np.ndarray,
    joint: int,
    quantity: str,
    skeleton: Skeleton = H36M_17,
) -> np.ndarray:
    """Curves of one joint.

    Parameters
    ----------
    xyz : (T, J, 3) ndarray
        Metres; NaN where missing.
    times_s : (T,) ndarray
        Increasing seconds, not necessarily evenly spaced.
    joint : int
    quantity : str
        Of `QUANTITIES`, those that are made of positions.
    skeleton : Skeleton

    Returns
    -------
    (T, C) float64 ndarray
        One column for each component. NaN where a joint or a neighbouring frame that is needed is
        missing. Speed at a frame is that of the parabola through it and the frames beside it, at
        the ends of the clip that of the last step; there is no acceleration at the ends.

    Raises
    ------
    ConfigError
        If the joint has no angle, or the quantity is not known.
    """
    xyz, times_s = np.asarray(xyz, np.float64), np.asarray(times_s, np.float64)
    if quantity == "position":
        return xyz[:, joint]
    if quantity == "speed":
        return _norm(_velocity(xyz[:, joint], times_s))
    if quantity == "acceleration":
        return _norm(_acceleration(xyz[:, joint], times_s))
    if quantity == "angle":
        return _bend_deg(xyz, joint, skeleton)
    raise ConfigError(f"No curve {quantity!r} of positions.")


def has_angle(joint: int, skeleton: Skeleton = H36M_17) -> bool:
    """Whether exactly one bone ends in a joint and one begins in it."""
    return skeleton.parents[joint] >= 0 and skeleton.parents.count(joint) == 1


def _velocity(path: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """(T, 3) metres a second; NaN for a single frame."""
    if len(path) < 2:
        return np.full_like(path, np.nan)
    # The middle frame is not needed at even times, but where it is missing there is no speed.
    return np.where(np.isnan(path), np.nan, np.gradient(path, times_s, axis=0))


def _acceleration(path: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """(T, 3) metres a second squared: that of the parabola through three frames."""
    out = np.full_like(path, np.nan)
    if len(path) > 2:
        velocity = np.diff(path, axis=0) / np.diff(times_s)[:, None]
        out[1:-1] = 2 * np.diff(velocity, axis=0) / (times_s[2:] - times_s[:-2])[:, None]
    return out


def _bend_deg(xyz: np.ndarray, joint: int, skeleton: Skeleton) -> np.ndarray:
    """(T, 1) angle between the bone that ends in a joint and the one that begins there."""
    if not has_angle(joint, skeleton):
        raise ConfigError(
            f"The {skeleton.joint_names[joint]} has no angle: not exactly two bones meet in it.",
            "Choose an elbow, a knee, a shoulder or a hip.",
        )
    upper = xyz[:, joint] - xyz[:, skeleton.parents[joint]]
    lower = xyz[:, skeleton.parents.index(joint)] - xyz[:, joint]
    across = np.linalg.norm(np.cross(upper, lower), axis=-1)
    return np.rad2deg(np.arctan2(across, (upper * lower).sum(-1)))[:, None]


def _norm(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1, keepdims=True)
