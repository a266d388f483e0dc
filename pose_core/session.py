"""Everything the user has about one clip, as plain read-only data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from pose_core.clip import Clip
from pose_core.errors import ConfigError
from pose_core.poses import Keypoints2D, Poses3D


@dataclass(frozen=True, eq=False)
class ModelRun:
    """3D poses of one track from one model, and how they were made.

    Parameters
    ----------
    poses : Poses3D
        T = all frames of the clip, NaN outside the track.
    meta : Mapping
        JSON-able provenance: model, weights_sha256, version, settings.
    """

    poses: Poses3D
    meta: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Track:
    """One person through a clip.

    Parameters
    ----------
    track_id : int
        1, 2, 3, ... in the order of `Session.tracks` when found; never reused.
    name : str
    keypoints : Keypoints2D
        T = all frames of the clip; NaN in frames without the person.
    runs : Mapping of str to ModelRun
        By model name.
    swapped_mask : (T,) bool ndarray, optional
        Frames in which the detector had exchanged left and right and this was undone.
    """

    track_id: int
    name: str
    keypoints: Keypoints2D
    runs: Mapping[str, ModelRun] = field(default_factory=dict)
    swapped_mask: np.ndarray | None = None

    @property
    def present_mask(self) -> np.ndarray:
        """(T,) bool: frames in which the person was found."""
        return self.keypoints.present_mask

    @property
    def present_frames(self) -> np.ndarray:
        """Indices of the frames in which the person was found."""
        return np.flatnonzero(self.present_mask)


@dataclass(frozen=True, eq=False)
class Truth:
    """Exact 3D of one person of a clip, from motion capture or from a renderer.

    Parameters
    ----------
    poses : Poses3D
        One stage; T = all frames of the clip, NaN where it is not known.
    xy : (T, J, 2) float32 ndarray, optional
        Where the joints are in the picture, pixels: tells which of the people it is.
    source : str
        Name of the file that it was read from.
    is_beside_clip : bool
        It was found beside the video. There it is looked for again each time the video is
        opened, so session files do not hold it.
    """

    poses: Poses3D
    xy: np.ndarray | None = None
    source: str = ""
    is_beside_clip: bool = False

    def __post_init__(self) -> None:
        if self.xy is not None and self.xy.shape != (*self.poses.stages.shape[1:3], 2):
            raise ConfigError(
                f"The truth has poses {self.poses.stages.shape[1:]} and keypoints {self.xy.shape}."
            )


@dataclass(frozen=True)
class Note:
    """What the user has written about a frame.

    Parameters
    ----------
    frame : int
    text : str
        Empty: the frame is a bookmark, and nothing more.
    """

    frame: int
    text: str = ""


@dataclass(frozen=True, eq=False)
class Session:
    """A clip with the people found in it. Only commands of the application make new ones.

    Parameters
    ----------
    clip : Clip
    tracks : tuple of Track
    focal_px : float, optional
        Focal length given by the user, pixels; assumed from the picture size when None.
    body_height_m : float, optional
        Body height given by the user, metres; None leaves the scale as the model has it.
    truth : Truth, optional
        Exact 3D of one of the people, where known.
    notes : tuple of Note
        One for a frame at most, in the order of the frames.
    """

    clip: Clip
    tracks: tuple[Track, ...] = ()
    focal_px: float | None = None
    body_height_m: float | None = None
    truth: Truth | None = None
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        for track in self.tracks:
            if len(track.keypoints) != self.clip.num_frames:
                raise ConfigError(
                    f"Track {track.name!r} has {len(track.keypoints)} frames, "
                    f"its clip {self.clip.num_frames}."
                )
        if self.truth is not None and len(self.truth.poses) != self.clip.num_frames:
            raise ConfigError(
                f"The truth has {len(self.truth.poses)} frames, its clip {self.clip.num_frames}."
            )
        ids = [track.track_id for track in self.tracks]
        if len(set(ids)) != len(ids):
            raise ConfigError("Two tracks of one session share an id.")
        frames = [note.frame for note in self.notes]
        if any(later <= earlier for earlier, later in pairwise(frames)):
            raise ConfigError("The notes of a session are not in the order of their frames.")
        if frames and not 0 <= frames[0] <= frames[-1] < self.clip.num_frames:
            raise ConfigError(f"A note is at none of the {self.clip.num_frames} frames.")

    def track(self, track_id: int) -> Track:
        """The track with this id.

        Raises
        ------
        ConfigError
            If there is none.
        """
        for track in self.tracks:
            if track.track_id == track_id:
                return track
        raise ConfigError(f"The session has no person {track_id}.")

    def note(self, frame: int) -> Note | None:
        """The note at a frame; None where there is none."""
        return next((note for note in self.notes if note.frame == frame), None)

    def with_tracks(self, tracks: tuple[Track, ...]) -> "Session":
        """Copy with other tracks."""
        return replace(self, tracks=tracks)
