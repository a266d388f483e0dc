"""The 3D of a run after an edit of its keypoints, in the frames that the edit reaches.

As in `pose_core.analysis.what_if`, a model is run on the frames around the edit, once with the
keypoints as they were and once as they are, and the difference is added to the poses that there
are. So edits add up in whatever order they are made, and 3D that somebody has changed is kept.
"""

from dataclasses import dataclass

import numpy as np
import torch

from pose_core.analysis.what_if import TOLERANCE_M
from pose_core.analysis.what_if_network import WhatIfNetwork
from pose_core.camera import Camera
from pose_core.inference.fitting import bone_targets
from pose_core.inference.lifter import Stretch, seen_stretches, stretches
from pose_core.inference.resampling import lifter_rate
from pose_core.interchange.named_keypoints import HIDDEN_SCORE
from pose_core.models.ray_input import SMOOTH_FRAMES
from pose_core.poses import SOURCE_USER, Keypoints2D, Poses3D

_ROUNDING_S = 1e-6


@dataclass(frozen=True, eq=False)
class LiftedEdit:
    """Poses in the frames that an edit has changed.

    Parameters
    ----------
    start, end : int
        Frames ``start <= frame < end`` of the clip; none where nothing has changed.
    poses : Poses3D
        Of the whole clip.
    """

    start: int
    end: int
    poses: Poses3D


@dataclass(frozen=True, eq=False)
class _Window:
    """Frames ``first <= frame < stop`` of the clip, and what is the same in all of it."""

    first: int
    stop: int
    times_s: np.ndarray
    camera: Camera


def lift_edit(
    network: WhatIfNetwork,
    before: Keypoints2D,
    after: Keypoints2D,
    poses: Poses3D,
    times_s: np.ndarray,
    camera: Camera,
    edited: tuple[int, int],
    *,
    is_scaled: bool = False,
) -> LiftedEdit:
    """Let 3D follow keypoints.

    Parameters
    ----------
    network : WhatIfNetwork
        Of the model that the poses are from.
    before, after : Keypoints2D
        Of the whole clip; they are the same outside of the edited frames.
    poses : Poses3D
        Those that belong to `before`.
    times_s : (T,) ndarray
    camera : Camera
    edited : (int, int)
        First of the edited frames, and the one behind the last.
    is_scaled : bool
        The poses were scaled to a body height that was given.

    Raises
    ------
    ConfigError
        If the poses have other stages than the model.
    """
    network.refuse_other_stages(poses)
    window = _window(network, before, after, times_s, camera, edited)
    pieces_before = _network_poses(network, before, window)
    pieces_after = _network_poses(network, after, window)
    if not pieces_before and not pieces_after:
        return LiftedEdit(edited[0], edited[0], poses)
    # A keypoint more or less makes nobody's bones longer.
    known = np.concatenate([found[-1] for _, found in pieces_before or pieces_after])
    lengths = bone_targets(torch.from_numpy(known).float()).numpy()
    num_stages = len(poses.stages)
    old = _fitted(pieces_before, lengths, window, num_stages)
    new = _fitted(pieces_after, lengths, window, num_stages)
    return _added(poses, old, new, window, edited, is_scaled)


def _window(
    network: WhatIfNetwork,
    before: Keypoints2D,
    after: Keypoints2D,
    times_s: np.ndarray,
    camera: Camera,
    edited: tuple[int, int],
) -> _Window:
    """The edited frames, what these change, and what those frames see."""
    fps = 1 / float(np.median(np.diff(times_s))) if len(times_s) > 1 else 25.0
    rate_hz = lifter_rate(fps, network.entry.rate_hz)
    reach_s = (sum(network.context) + 2 * SMOOTH_FRAMES + 1) / rate_hz
    first = int(np.searchsorted(times_s, times_s[edited[0]] - reach_s - _ROUNDING_S))
    stop = int(np.searchsorted(times_s, times_s[edited[1] - 1] + reach_s + _ROUNDING_S))
    spacing = max(round(fps / rate_hz), 1) * network.block
    for frames in stretches(before.present_mask | after.present_mask, times_s):
        if frames[0] < first <= frames[-1]:
            # Frames of the window are samples where they are samples of the whole stretch.
            place = int(np.searchsorted(frames, first))
            while place > 0 and (frames[place] - frames[0]) % spacing:
                place -= 1
            first = int(frames[place])
    return _Window(first, stop, times_s, camera)


def _network_poses(
    network: WhatIfNetwork, keypoints: Keypoints2D, window: _Window
) -> list[tuple[Stretch, np.ndarray]]:
    """What the network says of each stretch of a window: stages (S - 1, N, 17, 3)."""
    part = slice(window.first, window.stop)
    xy, scores = keypoints.xy[part], keypoints.scores[part]
    by_hand = np.asarray(keypoints.sources)[part] == SOURCE_USER
    by_hand &= np.isfinite(xy[..., 0]) & (scores > HIDDEN_SCORE)
    pieces = []
    times_s, rate_hz = window.times_s[part], network.entry.rate_hz
    for seen in seen_stretches(xy, scores, times_s, window.camera, rate_hz):
        masks = np.zeros(seen.grid_scores.shape, dtype=bool)
        np.logical_or.at(masks, seen.nearest, by_hand[seen.frames])
        pieces.append((seen, seen.at_frames(network.by_hand(seen, masks))))
    return pieces


def _fitted(
    pieces: list[tuple[Stretch, np.ndarray]],
    lengths: np.ndarray,
    window: _Window,
    num_stages: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Stages (S, N, 17, 3), the fitted skeleton last, and root (N, 3) of the frames of a window.

    NaN in frames without the person.
    """
    num_frames = window.stop - window.first
    stages = np.full((num_stages, num_frames, 17, 3), np.nan)
    root = np.full((num_frames, 3), np.nan)
    for seen, poses in pieces:
        fitted = seen.fitted(poses[-1], lengths)
        stages[:-1, seen.frames], stages[-1, seen.frames] = poses, fitted
        root[seen.frames] = seen.root_of(fitted)
    return stages, root


def _added(
    poses: Poses3D,
    old: tuple[np.ndarray, np.ndarray],
    new: tuple[np.ndarray, np.ndarray],
    window: _Window,
    edited: tuple[int, int],
    is_scaled: bool,
) -> LiftedEdit:
    """Poses with what differs between two answers for the frames of a window."""
    part = slice(window.first, window.stop)
    frames = np.arange(window.first, window.stop)
    scale = _scale(poses.stages[-2, part], old[0][-2]) if is_scaled else 1.0
    was_there, is_there, has_pose = (
        np.isfinite(each).all(axis=(0, 2, 3)) for each in (old[0], new[0], poses.stages[:, part])
    )
    is_moved = was_there & is_there & has_pose
    # Of a model that was not run on all of the clip only the edited frames get poses.
    is_new = is_there & ~is_moved & (frames >= edited[0]) & (frames < edited[1])
    is_gone = was_there & ~is_there
    delta, root_delta = (scale * np.nan_to_num(b - a) for a, b in zip(old, new, strict=True))
    distance = np.linalg.norm(delta, axis=-1).max(axis=(0, 2))
    distance = np.maximum(distance, np.linalg.norm(root_delta, axis=-1))
    is_moved &= distance > TOLERANCE_M
    changed = frames[is_moved | is_new | is_gone]
    if not len(changed):
        return LiftedEdit(edited[0], edited[0], poses)
    stages, root = poses.stages[:, part].copy(), np.array(np.asarray(poses.root)[part])
    stages[:, is_moved] += delta[:, is_moved].astype(np.float32)
    root[is_moved] += root_delta[is_moved].astype(np.float32)
    stages[:, is_new] = scale * new[0][:, is_new]
    root[is_new] = scale * new[1][is_new]
    stages[:, is_gone] = root[is_gone] = np.nan
    after = poses.with_frames(window.first, stages, root)
    return LiftedEdit(int(changed[0]), int(changed[-1]) + 1, after)


def _scale(own: np.ndarray, answer: np.ndarray) -> float:
    """How much larger the poses (N, 17, 3) of a run are than what the model gives."""
    ratios = np.divide(*(np.linalg.norm(p, axis=(1, 2)) for p in (own, answer)))
    known = ratios[np.isfinite(ratios)]
    return float(np.median(known)) if len(known) else 1.0
