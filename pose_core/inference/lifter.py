"""2D keypoints of one person to root-relative 3D: stages of a network, then the fitted body."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pose_core.camera import Camera
from pose_core.clip import Clip
from pose_core.errors import ConfigError, WeightsError
from pose_core.inference.resampling import (
    lifter_rate,
    resample_keypoints,
    resample_poses,
    uniform_times,
)
from pose_core.inference.root import root_from_rays
from pose_core.models.registry import ModelEntry, build_network, model_entry
from pose_core.poses import Keypoints2D

if TYPE_CHECKING:
    from pose_core.inference.network_stages import Answer
    from pose_core.inference.self_correction import CorrectionConfig
    from pose_core.models.temporal_conv import TemporalConv

# A pause longer than this begins a new stretch; shorter ones are filled in straight.
_MAX_GAP_S = 1.0
_FILLED_SCORE = 0.05


@dataclass(frozen=True, eq=False)
class CorrectionVerdicts:
    """What the self-correction of the 3D pose machine did in each frame.

    Parameters
    ----------
    steps : (T,) int ndarray
        Steps taken; -1 in frames without the person.
    discarded_mask : (T,) bool ndarray
        Frames in which the corrected pose was too far off to be believed: the pose is that
        without correction.
    """

    steps: np.ndarray
    discarded_mask: np.ndarray


@dataclass(frozen=True, eq=False)
class LiftedPerson:
    """3D of one person.

    Parameters
    ----------
    stages : (S, T, 17, 3) float32 ndarray
        Root-relative, camera axes, metres; NaN in frames without the person.
    correction : CorrectionVerdicts, optional
        Of a network that corrects itself.
    """

    stages: np.ndarray
    correction: CorrectionVerdicts | None = None


class TrackLifter(Protocol):
    """What makes 3D of the people in a clip, by their keypoints or by the pictures of them."""

    @property
    def entry(self) -> ModelEntry: ...

    @property
    def device(self) -> str: ...

    @property
    def stage_names(self) -> tuple[str, ...]:
        """What the stages of `lift_track` are, the fitted skeleton last."""
        ...

    def lift_track(self, keypoints: Keypoints2D, clip: Clip, camera: Camera) -> LiftedPerson:
        """Root-relative poses of one person; frames without keypoints are without it."""
        ...


@dataclass(frozen=True, eq=False)
class Lifter:
    """A trained network that lifts 2D keypoints to 3D; see `make_lifter`.

    Parameters
    ----------
    entry : ModelEntry
    device : {"cpu", "cuda"}
    stage_names : tuple of str
        What the stages of `lift` are, the fitted skeleton last.
    answer : callable
        From evenly spaced rays (G, 17, 2) and scores (G, 17) to the network's own stages.
    """

    entry: ModelEntry
    device: str
    stage_names: tuple[str, ...]
    answer: "Callable[[np.ndarray, np.ndarray], Answer]"

    def lift_track(self, keypoints: Keypoints2D, clip: Clip, camera: Camera) -> LiftedPerson:
        """As `lift_person`, of a person in a clip."""
        return self.lift_person(keypoints.xy, keypoints.scores, clip.times_s, camera)

    def lift(
        self, xy: np.ndarray, scores: np.ndarray, times_s: np.ndarray, camera: Camera
    ) -> np.ndarray:
        """Root-relative poses of one person.

        Parameters
        ----------
        xy : (T, 17, 2) ndarray
            Pixels; frames without the person are NaN.
        scores : (T, 17) ndarray
        times_s : (T,) ndarray
            Increasing seconds.
        camera : Camera
            Given or assumed intrinsics.

        Returns
        -------
        (S, T, 17, 3) float32 ndarray
            Camera axes, metres; NaN in frames without the person. The stages of the network,
            then the skeleton with constant bones fitted to the last of them and to the keypoints.
        """
        return self.lift_person(xy, scores, times_s, camera).stages

    def lift_person(
        self, xy: np.ndarray, scores: np.ndarray, times_s: np.ndarray, camera: Camera
    ) -> LiftedPerson:
        """As `lift`, with what the network can tell of its own doing."""
        num_frames = len(xy)
        stages = np.full((len(self.stage_names), *xy.shape[:2], 3), np.nan, dtype=np.float32)
        steps = np.full(num_frames, -1)
        discarded_mask = np.zeros(num_frames, dtype=bool)
        corrects = False
        for stretch in seen_stretches(xy, scores, times_s, camera, self.entry.rate_hz):
            frames = stretch.frames
            stages[:, frames], correction = self._lift_stretch(stretch)
            if correction is not None:
                corrects = True
                steps[frames], discarded_mask[frames] = correction.steps, correction.discarded_mask
        return LiftedPerson(stages, CorrectionVerdicts(steps, discarded_mask) if corrects else None)

    def _lift_stretch(self, seen: "Stretch") -> tuple[np.ndarray, CorrectionVerdicts | None]:
        answer = self.answer(seen.grid_rays, seen.grid_scores)
        poses = seen.at_frames(answer.stages)
        return np.concatenate([poses, seen.fitted(poses[-1])[None]]), _verdicts(answer, seen)


@dataclass(frozen=True, eq=False)
class Stretch:
    """N frames in which a person was seen without a long pause, and what networks see of them.

    Parameters
    ----------
    frames : (N,) int ndarray
        Of the video.
    times_s : (N,) ndarray
    fps : float
    rays, scores : (N, 17, 2), (N, 17) ndarray
        Of the frames; missing joints are filled in and have a low score.
    grid_s : (G,) ndarray
        Evenly spaced times, at about the rate of the network.
    grid_rays, grid_scores : (G, 17, 2), (G, 17) ndarray
        At these times.
    """

    frames: np.ndarray
    times_s: np.ndarray
    fps: float
    rays: np.ndarray
    scores: np.ndarray
    grid_s: np.ndarray
    grid_rays: np.ndarray
    grid_scores: np.ndarray

    @property
    def nearest(self) -> np.ndarray:
        """(N,) index of the sample of the grid that is nearest to each frame."""
        if len(self.grid_s) < 2:
            return np.zeros(len(self.times_s), dtype=int)
        places = (self.times_s - self.grid_s[0]) / (self.grid_s[1] - self.grid_s[0])
        return np.clip(np.round(places).astype(int), 0, len(self.grid_s) - 1)

    def root_of(self, poses: np.ndarray) -> np.ndarray:
        """Where the pelvis (N, 3) of root-relative poses (N, 17, 3) is, camera axes, metres."""
        return root_from_rays(poses, self.rays, self.scores, self.times_s)

    def fitted(self, poses: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
        """Poses (N, 17, 3) with constant bones that meet the keypoints; see `fit_skeleton`."""
        from pose_core.inference.fitting import fit_skeleton

        root = self.root_of(poses)
        return fit_skeleton(poses, root, self.rays, self.scores, self.fps, lengths)

    def at_frames(self, stages: np.ndarray) -> np.ndarray:
        """Stages (S, G, 17, 3) of the grid at the frames: (S, N, 17, 3), relative to the pelvis."""
        poses = resample_poses(stages.swapaxes(0, 1), self.grid_s, self.times_s).swapaxes(0, 1)
        return poses - poses[:, :, :1]


def seen_stretches(
    xy: np.ndarray, scores: np.ndarray, times_s: np.ndarray, camera: Camera, rate_hz: float
) -> Iterator[Stretch]:
    """What a network of that rate sees of a person; arguments as in `Lifter.lift`."""
    present = np.asarray(np.isfinite(xy).all(axis=-1).any(axis=-1))
    for frames in stretches(present, times_s):
        rays = fill_missing_joints(camera.rays(xy[frames].astype(np.float64)))
        seen = np.where(np.isfinite(xy[frames]).all(-1), scores[frames], _FILLED_SCORE)
        own_s = times_s[frames]
        # The median: frames without the person must not count as a lower rate.
        fps = 1 / float(np.median(np.diff(own_s))) if len(own_s) > 1 else 25.0
        grid_s = uniform_times(own_s, lifter_rate(fps, rate_hz))
        at_grid = resample_keypoints(rays, seen, own_s, grid_s)
        yield Stretch(frames, own_s, fps, rays, seen, grid_s, *at_grid)


def make_lifter(
    entry: ModelEntry, device: str = "cpu", correction: "CorrectionConfig | None" = None
) -> Lifter:
    """The lifter of an installed model, with its weights on the device.

    Parameters
    ----------
    entry : ModelEntry
        From `pose_core.models.registry`.
    device : {"cpu", "cuda"}
    correction : CorrectionConfig, optional
        How a pose machine corrects itself, if not by default.

    Raises
    ------
    ConfigError
        If it is a network that looks at pictures, or one that refines the poses of a model that
        is not installed.
    WeightsError
        If weights are missing, altered, or do not fit.
    """
    from pose_core.inference import network_stages

    if not entry.lifts_keypoints:
        raise ConfigError(
            f"{entry.name} looks at pictures: it cannot lift keypoints to 3D.",
            "Choose another model; posestage models lists them.",
        )
    network = build_network(entry).to(device)
    base = base_network(entry).to(device) if entry.base else None
    names, answer = network_stages.answers_of(network, base, device, correction)
    return Lifter(entry, device, (*names, "fitted skeleton"), answer)


def lifter_of(entry: ModelEntry, device: str = "cpu") -> TrackLifter:
    """What makes 3D of the people in a clip with an installed model, whatever it looks at.

    Parameters
    ----------
    entry : ModelEntry
        From `pose_core.models.registry`.
    device : {"cpu", "cuda"}

    Raises
    ------
    ConfigError, WeightsError
        As `make_lifter`.
    """
    if not entry.sees_pictures:
        return make_lifter(entry, device)
    from pose_core.inference.picture_lifter import make_picture_lifter

    return make_picture_lifter(entry, device)


def base_network(entry: ModelEntry) -> "TemporalConv":
    """The single-frame network whose poses the model was trained to refine."""
    from pose_core.models.temporal_conv import TemporalConv

    try:
        base = model_entry(entry.base)
    except ConfigError as error:
        raise ConfigError(
            f"{entry.name} refines the poses of {entry.base!r}, which is not installed.",
            f"Install {entry.base!r} too, or choose another model.",
        ) from error
    network = build_network(base)
    if not isinstance(network, TemporalConv) or network.config.receptive_field != 1:
        raise WeightsError(
            f"{entry.name} refines the poses of {base.name}, which is not a network that sees "
            "single frames.",
            "Train it again, with such a network as its lifter.",
        )
    return network


def _verdicts(answer: "Answer", seen: Stretch) -> CorrectionVerdicts | None:
    """The verdicts on samples of the grid, each for the frames of the video nearest to it."""
    if answer.correction is None:
        return None
    return CorrectionVerdicts(
        answer.correction.steps_taken.cpu().numpy()[seen.nearest],
        ~answer.correction.kept_mask.cpu().numpy()[seen.nearest],
    )


def stretches(present: np.ndarray, times_s: np.ndarray) -> list[np.ndarray]:
    """Indices of the present frames, split where the person is away for long."""
    frames = np.flatnonzero(present)
    if len(frames) == 0:
        return []
    return np.split(frames, np.flatnonzero(np.diff(times_s[frames]) > _MAX_GAP_S) + 1)


def fill_missing_joints(rays: np.ndarray) -> np.ndarray:
    """NaN joints of (T, J, 2) filled in over time, or with the middle of the others."""
    out = rays.copy()
    time = np.arange(len(rays))
    middle = np.nanmean(rays, axis=1)
    for joint in range(rays.shape[1]):
        known = np.isfinite(rays[:, joint, 0])
        if known.all():
            continue
        for axis in range(2):
            if known.any():
                out[:, joint, axis] = np.interp(time, time[known], rays[known, joint, axis])
            else:
                out[:, joint, axis] = middle[:, axis]
    return out
