"""Keypoints that the user has put right, as training data for networks that see keypoints.

Of a session only the keypoints count. In the frames in which the user has set a joint the whole
person is labelled: the user's joints, and those of the detector's that it was sure of. A window
around such a frame is what the network sees, with the small errors that detectors make; the
keypoints without them are what its answer shall project to.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Generator, Tensor

from pose_core.analysis.keypoint_edits import key_frames
from pose_core.camera import Camera
from pose_core.errors import ConfigError, DataError
from pose_core.inference.lifter import seen_stretches
from pose_core.models.ray_input import normalise_rays
from pose_core.poses import SOURCE_USER
from pose_core.session import Track
from pose_core.session_io import load_session
from pose_core.skeleton import H36M_17
from pose_core.training.edits_recipe import HELD_OUT_EVERY, LEAST_TO_HOLD_OUT

# Keypoints that a detector doubts are no labels.
_LEAST_SCORE = 0.5

Part = Literal["trained", "held out"]


@dataclass(frozen=True, kw_only=True)
class EditSettings:
    """How edited keypoints become samples.

    Parameters
    ----------
    sessions : tuple of str
        Session files with edited keypoints.
    windows : int
        Around edited frames, in each part of a batch.
    jitter : float
        Standard deviation of the errors that are put on what the network sees, in sizes of the
        person (the root mean square of its joints from the middle of the trunk).
    mirror : float
        Chance of the mirror image, with left and right exchanged.
    """

    sessions: tuple[str, ...] = ()
    windows: int = 32
    jitter: float = 0.02
    mirror: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "sessions", tuple(self.sessions))
        if self.windows < 1 or self.jitter < 0 or not 0 <= self.mirror <= 1:
            raise ConfigError("Edits need a window at least, and a jitter and mirror of 0 or more.")


@dataclass(frozen=True, eq=False)
class _Stretch:
    """A person over G evenly spaced moments."""

    rays: Tensor  # (G, 17, 2), what a network sees
    truth: Tensor  # (G, 17, 2), as edited where it is labelled
    scores: Tensor  # (G, 17)
    weights: Tensor  # (G, 17), 0 where not labelled
    edited: Tensor  # indices of the moments with labels


class EditedWindows:
    """Windows around edited frames; see `pose_core.training.batches.TrainingData`.

    Parameters
    ----------
    settings : EditSettings
    rate_hz : float
        Frames per second that the network sees.
    window : int
        Frames seen.
    answers : slice
        Which of them the network answers.
    part : {"trained", "held out"}
        Which edited moments: those to learn from, or those that only measure. Labels of the
        others have no weight.

    Raises
    ------
    SessionError
        If a session cannot be read.
    DataError
        If no keypoint was edited in any of them.
    """

    def __init__(
        self,
        settings: EditSettings,
        rate_hz: float,
        window: int,
        answers: slice,
        part: Part = "trained",
    ) -> None:
        self._settings, self._window = settings, window
        self._answered = range(window)[answers]
        stretches = [
            stretch for path in settings.sessions for stretch in _stretches_of(Path(path), rate_hz)
        ]
        self._stretches = _part_of(stretches, part)
        # One entry for each edited moment: a person with many edits is drawn more often.
        self._moments = [
            (stretch, int(moment)) for stretch in self._stretches for moment in stretch.edited
        ]
        if not stretches:
            raise DataError(
                f"No keypoint was edited in {', '.join(settings.sessions) or 'any session'}.",
                "Put some joints right on the video (E), and send the edits again.",
            )

    @property
    def num_moments(self) -> int:
        """Edited moments, at the rate of the network."""
        return len(self._moments)

    def draw(self, num_samples: int, generator: Generator) -> dict[str, Tensor]:
        """Some windows, each with an edited moment among its answers.

        Parameters
        ----------
        num_samples : int
        generator : Generator

        Returns
        -------
        dict of str to Tensor
            ``edit_features`` (B, T, 17, 3), ``edit_rays`` (B, T', 17, 2) in the turned camera of
            the features, and ``edit_weights`` (B, T', 17).
        """
        picks = torch.randint(len(self._moments), (num_samples,), generator=generator)
        places = torch.randint(len(self._answered), (num_samples,), generator=generator)
        seen, true, scores, weights = [], [], [], []
        for pick, place in zip(picks.tolist(), places.tolist(), strict=True):
            stretch, moment = self._moments[pick]
            # Beyond its ends a stretch goes on as it is there, as at the ends of a clip.
            frames = moment - self._answered[place] + torch.arange(self._window)
            inside = frames.clamp(0, len(stretch.rays) - 1)
            is_inside = (frames == inside)[:, None]
            seen.append(stretch.rays[inside])
            true.append(stretch.truth[inside])
            scores.append(stretch.scores[inside])
            weights.append(torch.where(is_inside, stretch.weights[inside], 0.0))
        is_mirrored = torch.rand(num_samples, generator=generator) < self._settings.mirror
        rays, labels = (_mirrored(torch.stack(each), is_mirrored) for each in (seen, true))
        certain, weight = (
            _mirrored(torch.stack(each)[..., None], is_mirrored)[..., 0]
            for each in (scores, weights)
        )
        return self._features(rays, labels, certain, weight, generator)

    def _features(
        self, rays: Tensor, truth: Tensor, scores: Tensor, weights: Tensor, generator: Generator
    ) -> dict[str, Tensor]:
        size = normalise_rays(rays, scores).size[..., None, None]
        noise = torch.randn(rays.shape, generator=generator)
        frame = normalise_rays(rays + self._settings.jitter * size * noise, scores)
        answered = list(self._answered)
        turned = frame.place(truth) * frame.size[..., None, None]
        return {
            "edit_features": frame.features,
            "edit_rays": turned[:, answered],
            "edit_weights": weights[:, answered],
        }


def _part_of(stretches: list[_Stretch], part: Part) -> list[_Stretch]:
    """The stretches with the labels of a part alone; none is held out where they are few."""
    total = sum(len(stretch.edited) for stretch in stretches)
    found, before = [], 0
    for stretch in stretches:
        number = before + torch.arange(len(stretch.edited))
        is_held = number % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
        is_held &= torch.tensor(total >= LEAST_TO_HOLD_OUT)
        edited = stretch.edited[is_held if part == "held out" else ~is_held]
        weights = torch.zeros_like(stretch.weights)
        weights[edited] = stretch.weights[edited]
        found.append(replace(stretch, weights=weights, edited=edited))
        before += len(stretch.edited)
    return found


def _mirrored(values: Tensor, is_mirrored: Tensor) -> Tensor:
    """Rays (B, T, 17, 2) or numbers (B, T, 17, 1), of some samples those of the mirror image."""
    sign = torch.ones(values.shape[-1])
    if len(sign) == 2:
        sign[0] = -1
    other = values[:, :, torch.from_numpy(H36M_17.mirror_index)] * sign
    return torch.where(is_mirrored[:, None, None, None], other, values)


def _stretches_of(path: Path, rate_hz: float) -> list[_Stretch]:
    """Everybody in a session whose keypoints were edited."""
    session = load_session(path)
    clip = session.clip
    camera = Camera.assumed(clip.width, clip.height, session.focal_px)
    return [
        stretch
        for track in session.tracks
        if len(key_frames(track.keypoints))
        for stretch in _stretches_of_track(track, clip.times_s, camera, rate_hz)
    ]


def _stretches_of_track(
    track: Track, times_s: np.ndarray, camera: Camera, rate_hz: float
) -> list[_Stretch]:
    keypoints = track.keypoints
    labels = label_weights(track)
    found = []
    for seen in seen_stretches(keypoints.xy, keypoints.scores, times_s, camera, rate_hz):
        weights = np.zeros(seen.grid_scores.shape, dtype=np.float32)
        # At another rate a moment lies between frames of which but one may have been edited.
        truth = seen.grid_rays.copy()
        for i in np.flatnonzero(labels[seen.frames].any(axis=1)):
            moment, own = seen.nearest[i], labels[seen.frames[i]]
            if own.sum() > weights[moment].sum():  # of two frames the one with more labels
                weights[moment], truth[moment] = own, seen.rays[i]
        edited = np.flatnonzero(weights.any(axis=1))
        if len(edited):
            rays, true, scores, weight = (
                torch.from_numpy(np.asarray(array, np.float32))
                for array in (seen.grid_rays, truth, seen.grid_scores, weights)
            )
            found.append(_Stretch(rays, true, scores, weight, torch.from_numpy(edited)))
    return found


def label_weights(track: Track) -> np.ndarray:
    """(T, 17) float32: how much each keypoint counts; 0 in frames without an edit of the user's.

    1 for what the user has set; for what a detector found beside it, its score.
    """
    keypoints = track.keypoints
    sources = np.asarray(keypoints.sources)
    weights = np.zeros(keypoints.scores.shape, dtype=np.float32)
    frames = key_frames(keypoints)
    scores = keypoints.scores[frames]
    others = np.where(scores >= _LEAST_SCORE, scores, 0)
    own = np.where(sources[frames] == SOURCE_USER, np.float32(1), others)
    weights[frames] = np.where(np.isfinite(keypoints.xy[frames]).all(-1), own, 0)
    return weights
