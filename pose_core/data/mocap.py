"""Motion capture in npz form: world positions of named joints over time.

One sequence is one ``.npz`` with ``positions (T, J, 3)`` in metres (right-handed world, z up),
``joint_names``, ``fps`` and the labels ``action``, ``subject`` and ``source``; ``h36m17`` picks
the canonical joints.
"""

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_core.errors import DataError

_NEEDED_KEYS = ("positions", "h36m17", "fps")
_HINT = (
    "Expected npz files with positions (T, J, 3), h36m17 (17,) and fps, as docs/formats.md says."
)


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


def load_motion(path: Path) -> Motion:
    """Read one sequence.

    Raises
    ------
    DataError
        If the file is damaged or lacks what is needed.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if missing := [key for key in _NEEDED_KEYS if key not in file]:
                raise DataError(f"{path} lacks {', '.join(missing)}.", _HINT)
            positions = np.asarray(file["positions"], dtype=np.float32)
            index = np.asarray(file["h36m17"], dtype=np.int64)
            fps = float(file["fps"])
            labels = {k: str(file[k]) for k in ("action", "subject", "source") if k in file}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path} cannot be read as motion: {error}.", _HINT) from error
    if positions.ndim != 3 or positions.shape[-1] != 3 or index.shape != (17,):
        raise DataError(f"{path} has positions {positions.shape}, h36m17 {index.shape}.", _HINT)
    if not 0 <= index.min() <= index.max() < positions.shape[1] or not fps > 0:
        raise DataError(f"{path} has joint indices or a frame rate out of range.", _HINT)
    positions = np.ascontiguousarray(positions[:, index])
    if len(positions) == 0 or not np.isfinite(positions).all():
        raise DataError(f"{path} is empty or has positions that are not finite.", _HINT)
    return Motion(path.stem, positions, fps, **labels)


def load_motions(folder: Path) -> list[Motion]:
    """Read every npz below a folder, in the order of their paths.

    Raises
    ------
    DataError
        If there is none, or one cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder.", _HINT)
    paths = sorted(folder.rglob("*.npz"))
    if not paths:
        raise DataError(f"No .npz file lies below {folder}.", _HINT)
    return [load_motion(path) for path in paths]


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


# Subjects: one who does rehabilitation exercises, a walker, a cartwheeler, two dancers. Actions:
# one family from each kind of source, so that no trained action resembles them.
DEFAULT_SPLIT = Split(
    subjects=("uiprmd_08", "07", "49", "55", "85"),
    actions=(
        "side lunge",
        "standing shoulder scaption",
        "jumping",
        "wash",
        "swordplay",
        "dance - sideways",
    ),
)
