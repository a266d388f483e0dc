"""Joint rotations from bone directions, steady over time, and as Euler angles without jumps."""

import numpy as np

from pose_core.geometry import rotation_between

ZXY_CHANNELS = ("Zrotation", "Xrotation", "Yrotation")

# Bent less, a limb does not show the axis of its hinge; bent more, clearly.
STRAIGHT_DEG, BENT_DEG = 8.0, 30.0
# How far in time the axis of a hinge of weight 1 is evened out. A clearly seen one is taken
# as it is, so that knee and elbow turn about one axis only; where nothing else tells, the axis
# of the T-pose is taken.
HINGE_SMOOTHING_S = 0.05
CLEAR_HINGE_WEIGHT = 1e3
REST_TWIST_WEIGHT = 1e-3

LOCKED = 1e-12  # a sine this near to 1 leaves no trace of z and y apart


def steady_hinge(
    upper: np.ndarray,
    lower: np.ndarray,
    trunk: np.ndarray,
    rest: tuple[np.ndarray, np.ndarray],
    fps: float,
) -> np.ndarray:
    """Axis about which a limb bends, continuous over time even while the limb is straight.

    In the trunk's axes, the rest hinge is swung with the upper limb along the shortest way; the
    hinge that is seen differs from that by an angle about the limb. The angle is smoothed over
    time as a unit complex number, weighted by how clearly the limb bends, with a faint pull to
    zero. Successive frames are coupled by parallel transport along the limb's path, so that the
    shortest way from rest may jump without harm.

    Parameters
    ----------
    upper, lower : (T, 3) ndarray
        Unit directions of the two bones.
    trunk : (T, 3, 3) ndarray
        Rotation of the trunk that carries the limb.
    rest : ((3,) ndarray, (3,) ndarray)
        Direction and hinge of the limb in the T-pose, perpendicular.
    fps : float

    Returns
    -------
    (T, 3) ndarray
        Unit vectors perpendicular to `upper`.
    """
    along, hinge = rest
    to_trunk = np.swapaxes(trunk, -1, -2)
    local = np.einsum("tij,tj->ti", to_trunk, upper)
    swing = rotation_between(along, local)
    first, second = swing @ hinge, swing @ np.cross(along, hinge)

    seen = np.einsum("tij,tj->ti", to_trunk, np.cross(upper, lower))
    angle = np.arctan2((seen * second).sum(-1), (seen * first).sum(-1))
    bend = np.rad2deg(np.arctan2(norm(seen), (upper * lower).sum(-1)))
    ramp = np.clip((bend - STRAIGHT_DEG) / (BENT_DEG - STRAIGHT_DEG), 0.0, 1.0)
    weight = CLEAR_HINGE_WEIGHT * (ramp**2 * (3 - 2 * ramp)) ** 3
    # A slightly overstretched limb would show its hinge the wrong way round.
    weight[(bend < BENT_DEG) & (np.abs(angle) > np.pi / 2)] = 0.0

    carried = np.einsum("tij,tj->ti", rotation_between(local[:-1], local[1:]), first[:-1])
    slip = np.arctan2((carried * second[1:]).sum(-1), (carried * first[1:]).sum(-1))
    angle = _smooth_angle(angle, weight, slip, (HINGE_SMOOTHING_S * fps) ** 2)
    local_hinge = np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second
    return np.einsum("tij,tj->ti", trunk, local_hinge)


def _smooth_angle(
    angle: np.ndarray, weight: np.ndarray, slip: np.ndarray, coupling: float
) -> np.ndarray:
    """Smooth (T,) angles; `slip` (T-1,) is what an unturned limb's angle gains per frame.

    Minimises ``sum w |z_t - e^{i a_t}|^2 + r |z_t - 1|^2 + c |z_t - e^{i s_t} z_{t-1}|^2`` over
    complex z, a tridiagonal system, and returns the angles of z.
    """
    if len(angle) < 2:  # the solver wants a matrix
        return np.where(weight > 0, angle, 0.0)

    from scipy.linalg import solveh_banded  # noqa: PLC0415 - slow to import

    banded = np.zeros((2, len(angle)), dtype=complex)
    banded[1] = weight + REST_TWIST_WEIGHT
    banded[1, 1:] += coupling
    banded[1, :-1] += coupling
    banded[0, 1:] = -coupling * np.exp(-1j * slip)
    return np.angle(solveh_banded(banded, weight * np.exp(1j * angle) + REST_TWIST_WEIGHT))


def turned(
    first: np.ndarray, second: np.ndarray, rest_first: np.ndarray, rest_second: np.ndarray
) -> np.ndarray:
    """Rotations that bring one rest direction onto `first`, and another as near as possible.

    Parameters
    ----------
    first : (T, 3) ndarray
        Unit vectors.
    second : (T, 3) ndarray
        Of any length; only the part across `first` counts.
    rest_first, rest_second : (3,) ndarray
        Perpendicular unit vectors.

    Returns
    -------
    (T, 3, 3) ndarray
    """
    across = _unit_across(second, first)
    now = np.stack([first, across, np.cross(first, across)], axis=-1)
    rest = np.stack([rest_first, rest_second, np.cross(rest_first, rest_second)], axis=-1)
    return now @ rest.T


def norm(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)


def unit(vectors: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """Unit vectors; where there is no length, those of the nearest frame, else `fallback`."""
    length = norm(vectors)
    is_good = length > 1e-6
    if not is_good.any():
        return np.tile(fallback, (len(vectors), 1))
    nearest = _nearest_true(is_good)
    return vectors[nearest] / length[nearest, None]


def _unit_across(vectors: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Unit vectors across `axis` towards `vectors`, carried over where these are parallel."""
    across = vectors - (vectors * axis).sum(-1, keepdims=True) * axis
    is_good = norm(across) > 0.02 * norm(vectors) + 1e-9
    if not is_good.all():
        # Any perpendicular will do where no frame tells.
        source = across[_nearest_true(is_good)] if is_good.any() else np.roll(axis, 1, axis=-1)
        across = source - (source * axis).sum(-1, keepdims=True) * axis
    return across / np.maximum(norm(across), 1e-12)[:, None]


def _nearest_true(mask: np.ndarray) -> np.ndarray:
    """(T,) index of the nearest True for each frame; at least one must be True."""
    places = np.flatnonzero(mask)
    right = np.clip(np.searchsorted(places, np.arange(len(mask))), 0, len(places) - 1)
    left = np.maximum(right - 1, 0)
    frames = np.arange(len(mask))
    is_left = np.abs(places[left] - frames) <= np.abs(places[right] - frames)
    return np.where(is_left, places[left], places[right])


def to_zxy_degrees(rotations: np.ndarray) -> np.ndarray:
    """Angles z, x, y with ``R = Rz @ Rx @ Ry``, unwrapped over time.

    Every rotation has two such triples (x mirrored at 90 degrees, z and y turned by 180), each
    with any number of full turns. The one nearest to the frame before is taken. At x = 90
    degrees only the sum of z and y is determined (gimbal lock): z is carried over.

    Parameters
    ----------
    rotations : (T, 3, 3) ndarray

    Returns
    -------
    (T, 3) float64 ndarray
        Degrees, in the order z, x, y.
    """
    sine_x = np.clip(rotations[:, 2, 1], -1.0, 1.0)
    x = np.arcsin(sine_x)
    z = np.arctan2(-rotations[:, 0, 1], rotations[:, 1, 1])
    y = np.arctan2(-rotations[:, 2, 0], rotations[:, 2, 2])
    angles = np.rad2deg(np.stack([z, x, y], axis=-1))

    is_locked = np.abs(sine_x) > 1 - LOCKED
    free, locked = np.flatnonzero(~is_locked), np.flatnonzero(is_locked)
    angles[free] = _nearest_triples(angles[free])
    angles[locked, 0] = np.interp(locked, free, angles[free, 0]) if len(free) else 0.0
    total = np.rad2deg(np.arctan2(rotations[locked, 0, 2], rotations[locked, 0, 0]))
    angles[locked, 2] = total - np.sign(sine_x[locked]) * angles[locked, 0]
    angles[0] = _wrapped(angles[0])
    return np.unwrap(angles, period=360.0, axis=0)


def _nearest_triples(angles: np.ndarray) -> np.ndarray:
    """For each frame the one of the two equal triples that is nearer to the frame before."""
    if not len(angles):
        return angles
    z, x, y = angles.T
    other = np.stack([z + 180.0, 180.0 - x, y + 180.0], axis=-1)
    # Changing to the other triple and back keeps distances, so each step can be judged alone.
    stay = np.abs(_wrapped(np.diff(angles, axis=0))).sum(-1)
    change = np.abs(_wrapped(other[1:] - angles[:-1])).sum(-1)
    is_other = np.concatenate([[False], np.cumsum(change < stay) % 2 == 1])
    nearest = np.where(is_other[:, None], other, angles)
    return np.unwrap(nearest, period=360.0, axis=0)


def _wrapped(degrees: np.ndarray) -> np.ndarray:
    """Shift into -180..180."""
    return (degrees + 180.0) % 360.0 - 180.0
