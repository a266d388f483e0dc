"""Geometry of points and cameras, in numpy.

Camera coordinates: x right, y down, z forward, metres. Arrays carry any leading axes unless
said otherwise; ``...`` stands for them.
"""

import numpy as np


def root_centre(xyz: np.ndarray, root: int = 0) -> np.ndarray:
    """Positions (..., J, 3) relative to the root joint."""
    return xyz - xyz[..., root : root + 1, :]


def project(camera_xyz: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Pinhole projection.

    Parameters
    ----------
    camera_xyz : (..., 3) ndarray
        Points in camera coordinates, metres.
    intrinsics : (3, 3) ndarray

    Returns
    -------
    (..., 2) ndarray
        Pixels; NaN for points that are not in front of the camera.
    """
    z = np.where(camera_xyz[..., 2:] > 1e-6, camera_xyz[..., 2:], np.nan)
    homogeneous = (camera_xyz / z) @ intrinsics.T
    return homogeneous[..., :2]


def unproject(xy: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Rays (..., 3) with z = 1 through pixels (..., 2): the inverse of `project` up to depth."""
    homogeneous = np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1)
    return homogeneous @ np.linalg.inv(intrinsics).T


def similarity_align(
    source: np.ndarray, target: np.ndarray, *, with_scale: bool = True
) -> np.ndarray:
    """Source points moved onto the target by the best rotation, translation and scale.

    Parameters
    ----------
    source, target : (..., N, 3) ndarray
        Corresponding points; each leading index is aligned by itself.
    with_scale : bool
        False for a rigid alignment.

    Returns
    -------
    (..., N, 3) ndarray

    References
    ----------
    S. Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", TPAMI 1991.
    """
    rotation, scale, translation = similarity_fit(source, target, with_scale=with_scale)
    return scale[..., None, None] * source @ np.swapaxes(rotation, -1, -2) + translation


def similarity_fit(
    source: np.ndarray, target: np.ndarray, *, with_scale: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotation (..., 3, 3), scale (...) and translation (..., 1, 3) of `similarity_align`.

    They satisfy ``target ~ scale * source @ rotation.T + translation``; never a reflection.
    """
    source = np.asarray(source, dtype=np.float64)
    target = np.asarray(target, dtype=np.float64)
    source_mean = source.mean(axis=-2, keepdims=True)
    target_mean = target.mean(axis=-2, keepdims=True)
    a, b = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd(np.swapaxes(b, -1, -2) @ a)
    sign = np.sign(np.linalg.det(u @ vt))
    flip = np.ones((*sign.shape, 3))
    flip[..., 2] = np.where(sign == 0, 1.0, sign)
    rotation = (u * flip[..., None, :]) @ vt
    variance = (a**2).sum(axis=(-1, -2))
    scale = np.ones_like(variance)
    if with_scale:
        scale = (singular * flip).sum(axis=-1) / np.maximum(variance, 1e-12)
    moved = scale[..., None, None] * source_mean @ np.swapaxes(rotation, -1, -2)
    return rotation, scale, target_mean - moved


def weak_perspective_fit(
    xyz: np.ndarray, xy: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift that bring the x, y of 3D points onto 2D points.

    Parameters
    ----------
    xyz : (..., J, 3) ndarray
        Root-relative positions in camera axes, metres.
    xy : (..., J, 2) ndarray
        Pixels.
    weights : (..., J) ndarray, optional
        Non-negative; at least two must be positive.

    Returns
    -------
    scale : (...) ndarray
        Pixels per metre.
    shift : (..., 2) ndarray
        Pixel position of the 3D origin.
    """
    w = np.ones(xy.shape[:-1]) if weights is None else weights
    w = (w / w.sum(axis=-1, keepdims=True))[..., None]
    mean_3d = (w * xyz[..., :2]).sum(axis=-2, keepdims=True)
    mean_2d = (w * xy).sum(axis=-2, keepdims=True)
    a, b = xyz[..., :2] - mean_3d, xy - mean_2d
    scale = (w * a * b).sum(axis=(-1, -2)) / np.maximum((w * a * a).sum(axis=(-1, -2)), 1e-12)
    return scale, (mean_2d - scale[..., None, None] * mean_3d)[..., 0, :]


def perspective_root_fit(xyz: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Translation that makes root-relative points project onto given rays.

    Each joint gives two linear equations, ``(x_j + t_x) - u_j (z_j + t_z) = 0`` and the same
    for y, solved by weighted least squares.

    Parameters
    ----------
    xyz : (T, J, 3) ndarray
        Root-relative positions in camera axes, metres.
    rays : (T, J, 2) ndarray
        Normalised image coordinates x/z and y/z.
    weights : (T, J) ndarray
        Non-negative.

    Returns
    -------
    (T, 3) ndarray
        Root position in camera coordinates, metres.
    """
    u, v, w = rays[..., 0], rays[..., 1], weights
    rhs_u = u * xyz[..., 2] - xyz[..., 0]
    rhs_v = v * xyz[..., 2] - xyz[..., 1]
    normal = np.zeros((len(xyz), 3, 3))
    normal[:, 0, 0] = normal[:, 1, 1] = w.sum(-1)
    normal[:, 0, 2] = normal[:, 2, 0] = -(w * u).sum(-1)
    normal[:, 1, 2] = normal[:, 2, 1] = -(w * v).sum(-1)
    normal[:, 2, 2] = (w * (u**2 + v**2)).sum(-1)
    rhs = np.stack(
        [(w * rhs_u).sum(-1), (w * rhs_v).sum(-1), -(w * (u * rhs_u + v * rhs_v)).sum(-1)], -1
    )
    normal += 1e-9 * np.eye(3)
    return np.linalg.solve(normal, rhs[..., None])[..., 0]


def rotation_between(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Smallest rotation (..., 3, 3) that turns direction `source` (..., 3) into `target`.

    Opposite directions turn by 180 degrees about some perpendicular axis.
    """
    a = source / np.linalg.norm(source, axis=-1, keepdims=True)
    b = target / np.linalg.norm(target, axis=-1, keepdims=True)
    a, b = np.broadcast_arrays(a, b)
    cosine = (a * b).sum(-1)
    axis = np.cross(a, b)
    cross = cross_matrix(axis)
    opposite = cosine < -1 + 1e-9
    factor = 1.0 / np.where(opposite, 1.0, 1.0 + cosine)
    rotation = np.eye(3) + cross + cross @ cross * factor[..., None, None]
    if np.any(opposite):
        helper = np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0])
        perpendicular = np.cross(a, helper)
        perpendicular /= np.linalg.norm(perpendicular, axis=-1, keepdims=True)
        half_turn = 2 * perpendicular[..., :, None] * perpendicular[..., None, :] - np.eye(3)
        rotation = np.where(opposite[..., None, None], half_turn, rotation)
    return rotation


def cross_matrix(vector: np.ndarray) -> np.ndarray:
    """(..., 3, 3) matrix K with ``K @ x == cross(vector, x)``."""
    x, y, z = np.moveaxis(np.asarray(vector, dtype=np.float64), -1, 0)
    zero = np.zeros_like(x)
    return np.stack(
        [
            np.stack([zero, -z, y], -1),
            np.stack([z, zero, -x], -1),
            np.stack([-y, x, zero], -1),
        ],
        -2,
    )


def triangulate(
    xy: np.ndarray, projections: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Linear triangulation (DLT) of points seen by several calibrated views.

    Parameters
    ----------
    xy : (V, ..., 2) ndarray
        Undistorted pixels.
    projections : (V, 3, 4) ndarray
        Projection matrices K [R | t].
    weights : (V, ...) ndarray, optional
        Confidence of each observation.

    Returns
    -------
    (..., 3) ndarray
        World coordinates in the unit of the projection matrices.

    References
    ----------
    Hartley and Zisserman, *Multiple View Geometry*, section 12.2.
    """
    rows = []
    for view, p in enumerate(projections):
        w = 1.0 if weights is None else weights[view][..., None]
        rows.append(w * (xy[view][..., :1] * p[2] - p[0]))
        rows.append(w * (xy[view][..., 1:] * p[2] - p[1]))
    _, _, vt = np.linalg.svd(np.stack(rows, axis=-2))
    homogeneous = vt[..., -1, :]
    return homogeneous[..., :3] / homogeneous[..., 3:]
