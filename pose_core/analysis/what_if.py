"""What a model would say if keypoints of one frame lay elsewhere.

The model is run on the frames around the changed one, once with the keypoints as they are and once
with the moved ones, and the difference is added to the poses that there are. So nothing moves
where nothing is moved, however few frames the model sees, and what a user has edited before stays.

`WhatIf.quick` answers while somebody drags: it runs what the one frame needs. `WhatIf.whole` runs
all frames that the change reaches, and fits the skeleton to the keypoints again.
"""

from dataclasses import dataclass

import numpy as np
import torch

from pose_core.analysis.what_if_network import Near, Pull, WhatIfNetwork
from pose_core.camera import Camera
from pose_core.errors import ConfigError
from pose_core.inference.fitting import bone_targets
from pose_core.inference.lifter import Stretch, seen_stretches, stretches
from pose_core.inference.resampling import lifter_rate
from pose_core.models.ray_input import SMOOTH_FRAMES
from pose_core.poses import Keypoints2D, Poses3D

# Of a joint that somebody has put where it is.
MOVED_SCORE = 1.0
# Frames whose joints move less than this count as not changed, metres.
TOLERANCE_M = 1e-4
_ROUNDING_S = 1e-6


@dataclass(frozen=True, eq=False)
class WhatIfAnswer:
    """Poses with the moved keypoints, in the frames in which they are others.

    Parameters
    ----------
    frames : (N,) int ndarray
        Of the clip, that of the moved keypoints among them.
    stages : (S, N, 17, 3) float32 ndarray
        As the stages of the run: root-relative, camera axes, metres.
    root : (N, 3) float32 ndarray
        Pelvis in camera coordinates, metres.
    is_whole : bool
        False of a quick answer: the fitted skeleton moves as the network's answer does, the root
        stays, and frames beside the one of the keypoints are only those that were run anyway.
    pull : Pull, optional
        What the self-correction of a pose machine did.
    """

    frames: np.ndarray
    stages: np.ndarray
    root: np.ndarray
    is_whole: bool
    pull: Pull | None

    def put_into(self, poses: Poses3D) -> Poses3D:
        """The poses of the clip with these in their place."""
        start, end = int(self.frames.min()), int(self.frames.max()) + 1
        stages = poses.stages[:, start:end].copy()
        root = np.array(np.asarray(poses.root)[start:end])
        stages[:, self.frames - start], root[self.frames - start] = self.stages, self.root
        return poses.with_frames(start, stages, root)


@dataclass(frozen=True, eq=False)
class _Window:
    """Frames (N,) around the one with moved keypoints, which is `frames[place]`."""

    frames: np.ndarray
    place: int


@dataclass(frozen=True, eq=False)
class _Lifted:
    """A window as the lifter has it: stages (S, N, 17, 3), root (N, 3), bone lengths (16,)."""

    stages: np.ndarray
    root: np.ndarray
    lengths: np.ndarray
    pull: Pull | None


class WhatIf:
    """A frame of a run whose keypoints may be moved.

    Parameters
    ----------
    network : WhatIfNetwork
        Of the model that the poses are from.
    keypoints : Keypoints2D
    poses : Poses3D
    times_s : (T,) ndarray
    camera : Camera
    frame : int
    is_scaled : bool
        The poses were scaled to a body height that was given.

    Raises
    ------
    ConfigError
        If the person is not in the frame, or the poses have other stages than the model.
    """

    def __init__(
        self,
        network: WhatIfNetwork,
        keypoints: Keypoints2D,
        poses: Poses3D,
        times_s: np.ndarray,
        camera: Camera,
        frame: int,
        *,
        is_scaled: bool = False,
    ) -> None:
        network.refuse_other_stages(poses)
        present = np.asarray(np.isfinite(keypoints.xy).all(axis=-1).any(axis=-1))
        here = [frames for frames in stretches(present, times_s) if frame in frames]
        if not here or not np.isfinite(poses.stages[:, frame]).all():
            raise ConfigError(f"The person is not in frame {frame}.", "Go to another frame.")
        self._network, self._frame, self._stretch = network, frame, here[0]
        self._keypoints, self._poses = keypoints, poses
        self._times_s, self._camera = times_s, camera
        self._is_scaled = is_scaled
        # The model's own answer to the keypoints as they are, once it is known.
        self._quick_before: tuple[_Window, Near] | None = None
        self._whole_before: tuple[_Window, _Lifted] | None = None

    def prepare(self) -> None:
        """Do beforehand what every `quick` answer needs."""
        if self._quick_before is not None:
            return
        before, after = self._network.context
        window = self._window(before + SMOOTH_FRAMES, after + SMOOTH_FRAMES)
        seen = self._seen(window, None)
        sample = int(seen.nearest[window.place])
        self._quick_before = window, self._network.near(seen, sample, None)

    def quick(self, moved: np.ndarray) -> WhatIfAnswer:
        """The answer in the frame of the moved keypoints, as soon as can be.

        Parameters
        ----------
        moved : (17, 2) ndarray
            Where its joints are moved to, pixels; NaN for joints that stay.
        """
        self.prepare()
        assert self._quick_before is not None
        window, before = self._quick_before
        seen = self._seen(window, moved)
        sample = int(seen.nearest[window.place])
        after = self._network.near(seen, sample, _is_moved(moved))
        places = np.flatnonzero(np.isin(seen.nearest, after.samples))
        samples = seen.nearest[places] - after.samples[0]
        frames = window.frames[places]
        old, new = (_relative(near.stages[:, samples]) for near in (before, after))
        delta = self._scale(frames, old[-1]) * (new - old)
        # The fitted skeleton goes along with the answer of the network.
        delta = np.concatenate([delta, delta[-1:]])
        stages = (self._poses.stages[:, frames] + delta).astype(np.float32)
        root = np.asarray(self._poses.root)[frames]
        return WhatIfAnswer(frames, stages, root, False, after.pull)

    def whole(self, moved: np.ndarray) -> WhatIfAnswer:
        """The answer in all frames that change; `moved` as in `quick`."""
        if self._whole_before is None:
            # What a keypoint changes, what those frames see, and one of which samples are means.
            reach = sum(self._network.context) + 2 * SMOOTH_FRAMES + 1
            window = self._window(reach, reach)
            self._whole_before = window, self._lifted(window, None, None)
        window, before = self._whole_before
        # A keypoint more or less makes nobody's bones longer.
        after = self._lifted(window, moved, before.lengths)
        scale = self._scale(window.frames, before.stages[-2])
        delta = scale * (after.stages - before.stages)
        root_delta = np.nan_to_num(scale * (after.root - before.root))
        distance = np.linalg.norm(delta, axis=-1).max(axis=(0, 2))
        distance = np.maximum(distance, np.linalg.norm(root_delta, axis=-1))
        changed = [window.place, *np.flatnonzero(distance > TOLERANCE_M)]
        part = slice(min(changed), max(changed) + 1)
        frames = window.frames[part]
        stages = (self._poses.stages[:, frames] + delta[:, part]).astype(np.float32)
        root = (np.asarray(self._poses.root)[frames] + root_delta[part]).astype(np.float32)
        return WhatIfAnswer(frames, stages, root, True, after.pull)

    def _window(self, num_before: int, num_after: int) -> _Window:
        """The frames from so many samples before the frame to so many after it."""
        times_s = self._times_s[self._stretch]
        fps = 1 / float(np.median(np.diff(times_s))) if len(times_s) > 1 else 25.0
        rate_hz = lifter_rate(fps, self._network.entry.rate_hz)
        here_s = float(self._times_s[self._frame])
        start_s, end_s = here_s - num_before / rate_hz, here_s + num_after / rate_hz
        start = int(np.searchsorted(times_s, start_s - _ROUNDING_S))
        end = int(np.searchsorted(times_s, end_s + _ROUNDING_S))
        frames, spacing = self._stretch, max(round(fps / rate_hz), 1) * self._network.block
        # Frames of the window are samples where they are samples of the whole clip.
        while start > 0 and (frames[start] - frames[0]) % spacing:
            start -= 1
        frames = frames[start:end]
        return _Window(frames, int(np.searchsorted(frames, self._frame)))

    def _seen(self, window: _Window, moved: np.ndarray | None) -> Stretch:
        """What the network sees in a window."""
        frames = window.frames
        xy, scores = self._keypoints.xy[frames], self._keypoints.scores[frames]
        if moved is not None:
            is_moved = _is_moved(moved)
            xy[window.place, is_moved] = moved[is_moved]
            scores[window.place, is_moved] = MOVED_SCORE
        rate_hz = self._network.entry.rate_hz
        (seen,) = seen_stretches(xy, scores, self._times_s[frames], self._camera, rate_hz)
        return seen

    def _lifted(
        self, window: _Window, moved: np.ndarray | None, lengths: np.ndarray | None
    ) -> _Lifted:
        """The window as `Lifter.lift` and the pipeline make it, with given bone lengths."""
        seen = self._seen(window, moved)
        mask = None if moved is None else _is_moved(moved)
        found, pull = self._network.whole(seen, int(seen.nearest[window.place]), mask)
        poses = seen.at_frames(found)
        if lengths is None:
            lengths = bone_targets(torch.from_numpy(poses[-1]).float()).numpy()
        fitted = seen.fitted(poses[-1], lengths)
        return _Lifted(np.concatenate([poses, fitted[None]]), seen.root_of(fitted), lengths, pull)

    def _scale(self, frames: np.ndarray, own: np.ndarray) -> float:
        """How much larger the poses of the run are than those (N, 17, 3) that the model gives."""
        if not self._is_scaled:
            return 1.0
        sizes = (np.linalg.norm(p, axis=(1, 2)) for p in (self._poses.stages[-2, frames], own))
        return float(np.nanmedian(np.divide(*sizes)))


def _is_moved(moved: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(moved).all(axis=-1))


def _relative(stages: np.ndarray) -> np.ndarray:
    """Poses (S, N, 17, 3) relative to their pelvis."""
    return stages - stages[:, :, :1]
