"""Motion capture as training and evaluation take it: gapless movements of the 17 joints.

Files of any format are understood and checked by `pose_core.data.recording`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_core.data.mocap_checks import jumps
from pose_core.data.mocap_files import NPZ_HINT, SUFFIXES, suffix_of
from pose_core.data.recording import Recording, load_recording
from pose_core.data.recording_settings import RecordingSettings, settings_for
from pose_core.data.skipping import SkipLog
from pose_core.errors import DataError, PoseStageError

# Shorter gaps are filled along straight lines; longer ones and jumps part a recording in two.
MAX_FILLED_S = 0.2
MIN_PART_S = 0.7


@dataclass(frozen=True, eq=False)
class Motion:
    """One recorded movement.

    Parameters
    ----------
    name : str
        File name without ending.
    positions : (T, 17, 3) float32 ndarray
        Human3.6M joints in a z-up world, metres.
    fps : float
    action, subject, source : str
        Labels; empty where unknown.
    """

    name: str
    positions: np.ndarray
    fps: float
    action: str = ""
    subject: str = ""
    source: str = ""

    def __len__(self) -> int:
        return len(self.positions)


def load_motion(path: Path, settings: RecordingSettings | None = None) -> Motion:
    """Read one file of any format; of a recording with long gaps the longest part.

    Raises
    ------
    PoseStageError
        If the file cannot be read, its joints cannot be found, or a check says that it must not
        be used as it is.
    """
    return max(load_parts(path, settings), key=len)


def load_parts(path: Path, settings: RecordingSettings | None = None) -> list[Motion]:
    """Read one file of any format; each part between long gaps or jumps is a motion.

    Raises
    ------
    PoseStageError
        As `load_motion`.
    """
    recording = load_recording(path, settings)
    recording.require_sound()
    parts = gapless_parts(recording)
    if not parts:
        raise DataError(f"In {path} no {MIN_PART_S:g} s are without gaps and jumps.")
    return parts


def gapless_parts(recording: Recording) -> list[Motion]:
    """Parts of a recording without jumps and with all joints known, short gaps filled in."""
    xyz = _filled(recording.xyz, round(MAX_FILLED_S * recording.fps))
    is_known = np.asarray(np.isfinite(xyz).all(axis=(1, 2)))
    # A part ends where the next frame is unknown or far away.
    goes_on = is_known[:-1] & is_known[1:] & ~jumps(xyz, recording.fps)
    starts = np.flatnonzero(is_known & ~np.concatenate([[False], goes_on]))
    ends = np.flatnonzero(is_known & ~np.concatenate([goes_on, [False]])) + 1
    runs = list(zip(starts, ends, strict=True))
    if len(runs) != 1 or not is_known.all():
        runs = [(a, b) for a, b in runs if b - a >= MIN_PART_S * recording.fps]
    stem = recording.path.name[: -len(suffix_of(recording.path))]
    return [
        Motion(
            name=stem if len(runs) == 1 else f"{stem}_{i + 1}",
            positions=np.ascontiguousarray(xyz[a:b], dtype=np.float32),
            fps=recording.fps,
            **recording.labels,
        )
        for i, (a, b) in enumerate(runs)
    ]


def _filled(xyz: np.ndarray, max_frames: int) -> np.ndarray:
    """Fill the gaps of each joint that are no longer than this along straight lines."""
    filled = xyz.copy()
    for joint in np.flatnonzero(~np.isfinite(xyz).all(axis=(0, 2))):
        known = np.isfinite(xyz[:, joint]).all(axis=-1)
        edges = np.flatnonzero(np.diff(np.concatenate([[True], known, [True]])))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            if start > 0 and end < len(xyz) and end - start <= max_frames:
                share = np.linspace(0, 1, end - start + 2)[1:-1, None]
                filled[start:end, joint] = (1 - share) * xyz[start - 1, joint] + share * xyz[
                    end, joint
                ]
    return filled


def iterate_motions(folder: Path, skipped: SkipLog | None = None) -> Iterator[Motion]:
    """Read every motion capture file below a folder, one after the other, by path.

    A file ``mocap.json`` in a folder holds `RecordingSettings` for the files in it and below.

    Parameters
    ----------
    folder : Path
    skipped : SkipLog, optional
        Takes down the files that cannot be used; without it the first one ends the reading.

    Raises
    ------
    PoseStageError
        If the folder has none, or one cannot be read or used (more than 1 % of them, with
        `skipped`).
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder.", NPZ_HINT)
    paths = sorted(path for path in folder.rglob("*") if suffix_of(path) and path.is_file())
    if not paths:
        raise DataError(f"No motion capture ({', '.join(SUFFIXES)}) lies below {folder}.")
    if skipped is not None:
        skipped.total = len(paths)
    for path in paths:
        try:
            parts = load_parts(path, settings_for(path, folder))
        except PoseStageError as error:
            if skipped is None:
                raise
            skipped.add(str(path), error.message)
            continue
        yield from parts


def load_motions(folder: Path, skipped: SkipLog | None = None) -> list[Motion]:
    """All that `iterate_motions` gives."""
    return list(iterate_motions(folder, skipped))


@dataclass(frozen=True)
class Split:
    """Which motions are kept out of training.

    Parameters
    ----------
    subjects, actions : tuple of str
        A motion is held out when its subject is listed or its action begins with a listed word.
    """

    subjects: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    def held_out_by(self, motion: Motion) -> str:
        """``""`` for training, else ``subject``, ``action`` or ``subject and action``."""
        by_subject = motion.subject in self.subjects
        by_action = motion.action.startswith(self.actions) if self.actions else False
        return " and ".join(
            word for word, held in (("subject", by_subject), ("action", by_action)) if held
        )

    def training(self, motions: Iterable[Motion]) -> list[Motion]:
        """Motions to train on."""
        return [m for m in motions if not self.held_out_by(m)]

    def held_out(self, motions: Iterable[Motion]) -> list[Motion]:
        """Motions never trained on."""
        return [m for m in motions if self.held_out_by(m)]


# Subjects: one who does rehabilitation exercises, a walker, a cartwheeler, two dancers, and two of
# the bundled motions. Actions: one family from each kind of source, so that no trained action
# resembles them.
DEFAULT_SPLIT = Split(
    subjects=("uiprmd_08", "07", "49", "55", "85", "bundled_09", "bundled_10"),
    actions=(
        "side lunge",
        "standing shoulder scaption",
        "jumping",
        "wash",
        "swordplay",
        "dance - sideways",
        "bundled kick",
    ),
)
