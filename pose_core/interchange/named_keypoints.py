"""2D keypoints with names, of people in frames: what every file of keypoints comes down to."""

from dataclasses import dataclass

import numpy as np

from pose_core.errors import ExportError
from pose_core.session import Session

KEYPOINT_SUFFIXES = (".json", ".csv", ".npz", ".h5", ".hdf5", ".slp")
# No picture is that large: a number beyond it is damage.
LARGEST_PIXEL = 1e6
# Marks of COCO: 1 is marked but hidden, 2 is visible. What is hidden has been guessed.
HIDDEN_SCORE = 0.5
# In the order of the SOURCE_ constants of pose_core.poses.
SOURCE_NAMES = ("", "detector", "model", "user", "interpolated", "imported")


@dataclass(frozen=True, eq=False)
class NamedKeypoints:
    """People found in frames, one row for each person in each frame.

    A keypoint without a place, or with the score 0, is missing: NaN with score 0. Scores above 1
    become 1.

    Parameters
    ----------
    names : tuple of str
        N names of keypoints, as the file has them.
    frames : (D,) int64 ndarray
        Frame of each row, from 0.
    people : (D,) int64 ndarray
        Which person, an index into `person_names`; -1 where the file does not say.
    xy : (D, N, 2) float64 ndarray
        Pixels from the corner of the picture, or shares of its width and height, see `is_share`.
    scores : (D, N) float32 ndarray
        0..1.
    person_names : tuple of str
    format : str
        For people: ``OpenPose BODY_25``.
    sources : (D, N) uint8 ndarray, optional
        ``SOURCE_`` constants of `pose_core.poses`, where the file has them.
    num_frames : int, optional
        How many frames the file speaks of, with people or without; None where it does not say.
    picture_size : (int, int), optional
        Width and height of the pictures, where the file has them.
    is_share : bool
        The places are shares of the picture's width and height.

    Raises
    ------
    ExportError
        If the arrays do not fit each other, a name occurs twice, a person is twice in a frame, or
        a number is too large.
    """

    names: tuple[str, ...]
    frames: np.ndarray
    people: np.ndarray
    xy: np.ndarray
    scores: np.ndarray
    person_names: tuple[str, ...]
    format: str
    sources: np.ndarray | None = None
    num_frames: int | None = None
    picture_size: tuple[int, int] | None = None
    is_share: bool = False

    def __post_init__(self) -> None:
        num_rows, num_names = len(self.frames), len(self.names)
        xy = np.array(self.xy, dtype=np.float64)
        scores = np.clip(np.array(self.scores, dtype=np.float64), 0, 1).astype(np.float32)
        shapes = xy.shape, scores.shape, self.people.shape
        if shapes != ((num_rows, num_names, 2), (num_rows, num_names), (num_rows,)):
            raise ExportError("The file is damaged: its numbers do not fit its names and frames.")
        xy[~np.isfinite(xy).all(axis=-1)] = np.nan
        if (np.abs(xy) > LARGEST_PIXEL).any():
            raise ExportError("The file is damaged: a keypoint lies further out than any picture.")
        scores = np.nan_to_num(scores)
        missing = np.isnan(xy[..., 0]) | (scores <= 0)
        xy[missing], scores[missing] = np.nan, 0.0
        object.__setattr__(self, "xy", xy)
        object.__setattr__(self, "scores", scores)
        self._check_rows()

    def _check_rows(self) -> None:
        if twice := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise ExportError(f"Two keypoints of the file are called {twice[0][:40]!r}.")
        if (self.frames < 0).any():
            raise ExportError("The file is damaged: a frame has a negative number.")
        known = self.people >= 0
        pairs = np.stack([self.frames[known], self.people[known]], axis=1)
        distinct, counts = np.unique(pairs, axis=0, return_counts=True)
        if (counts > 1).any():
            frame, person = distinct[np.argmax(counts)]
            raise ExportError(
                f"{self.person_names[person]} is twice in frame {frame}.",
                "Give each person of a frame its own name or number.",
            )


def keypoints_of_session(session: Session) -> NamedKeypoints:
    """All keypoints of all people of a session, person after person.

    Raises
    ------
    ExportError
        If there are none, or people have different joints.
    """
    skeletons = {track.keypoints.skeleton for track in session.tracks}
    rows = [track.present_frames for track in session.tracks]
    if not sum(map(len, rows)):
        raise ExportError(
            f"There are no keypoints in {session.clip.path.name}.", "Estimate or annotate first."
        )
    if len(skeletons) > 1:
        raise ExportError("The people of this session have different joints.")
    people = [np.full(len(frames), index) for index, frames in enumerate(rows)]
    points = [
        (
            track.keypoints.xy[at],
            track.keypoints.scores[at],
            np.asarray(track.keypoints.sources)[at],
        )
        for track, at in zip(session.tracks, rows, strict=True)
    ]
    xy, scores, sources = (np.concatenate(arrays) for arrays in zip(*points, strict=True))
    clip = session.clip
    return NamedKeypoints(
        names=skeletons.pop().joint_names,
        frames=np.concatenate(rows).astype(np.int64),
        people=np.concatenate(people).astype(np.int64),
        xy=xy,
        scores=scores,
        person_names=tuple(track.name for track in session.tracks),
        format="PoseStage session",
        sources=sources,
        num_frames=clip.num_frames,
        picture_size=(clip.width, clip.height),
    )


def marks_of(scores: np.ndarray) -> np.ndarray:
    """Marks of COCO, of the same shape as scores: 0 missing, 1 hidden, 2 visible."""
    return np.select([scores > HIDDEN_SCORE, scores > 0], [2, 1], 0).astype(np.uint8)
