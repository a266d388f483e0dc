"""What the What-if panel computes: poses and numbers before and after, off the GUI thread."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.laboratory.focus import Subject
from app.laboratory.problem_table import KIND_TITLES, shown_unit
from pose_core.analysis.anatomy import AnatomyThresholds
from pose_core.metrics.pose_error import mpjpe
from pose_core.skeleton import H36M_17

if TYPE_CHECKING:  # imports torch, which would stop the window for a second
    from pose_core.analysis.pose_report import PoseReport
    from pose_core.analysis.what_if import WhatIfAnswer

# Frames to either side that tell how long bones are and where the ground is: half a minute, so
# that an hour of video takes no longer.
REACH_FRAMES = 750
JOINT_NAMES = [name.replace("_", " ") for name in H36M_17.joint_names]
COLUMNS = ("before", "after", "limit")
# Title and decimals of each row; losses first, then the findings of anatomy, worst joint.
ROWS = {
    "angle": ("Angle L_a (m\N{SUPERSCRIPT THREE})", 4),
    "symmetry": ("Symmetry L_s (m)", 4),
    "geometry": ("Geometry L_g", 4),
    "total": ("L_SA, weighted sum", 4),
    "miss": ("Moved 2D missed by (px)", 1),
    "error": ("Error to truth (mm)", 1),
    "illegal_angle": ("Illegal angle (deg)", 1),
    "side_difference": ("Left/right length (mm)", 1),
    "length_deviation": ("Bone length (mm)", 1),
    "jump": ("Jump (m/s)", 1),
    "foot_slide": ("Foot slide (m/s)", 1),
    "below_floor": ("Below the floor (mm)", 1),
    "side_swap": ("Sides swapped (mm)", 1),
}

Place = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Side:
    """The pose of the frame before or after the keypoints were moved.

    Parameters
    ----------
    pose : (17, 3) ndarray
        Of the shown stage, root-relative, camera axes, metres.
    root : (3,) ndarray
    report : PoseReport
    miss_px : float
        Mean distance of the moved joints' projections from where they were moved to; NaN where
        none is.
    error_mm : float
        MPJPE against the truth; NaN where it is not known.
    """

    pose: np.ndarray
    root: np.ndarray
    report: "PoseReport"
    miss_px: float
    error_mm: float


@dataclass(frozen=True, eq=False)
class Tried:
    """The result of the panel.

    Parameters
    ----------
    answer : WhatIfAnswer or None
        None where nothing is moved.
    before, after : Side
    moved_mm : (N, 17) ndarray
        Movement of each joint of the shown stage in the frames of the answer.
    """

    answer: "WhatIfAnswer | None"
    before: Side
    after: Side
    moved_mm: np.ndarray

    @property
    def here_mm(self) -> np.ndarray:
        """(17,) movement in the shown frame."""
        return 1000 * np.linalg.norm(self.after.pose - self.before.pose, axis=-1)


class Comparer:
    """Compares the shown stage of a run with answers; what it says of the run it remembers."""

    def __init__(self) -> None:
        self._known: tuple[tuple, PoseReport] | None = None

    def compare(
        self,
        subject: Subject,
        answer: "WhatIfAnswer | None",
        moved: np.ndarray,
        thresholds: AnatomyThresholds,
    ) -> Tried:
        """The pose of the shown frame before and after.

        Parameters
        ----------
        subject : Subject
        answer : WhatIfAnswer or None
            None where nothing is moved.
        moved : (17, 2) ndarray
            Pixels; NaN for joints that stay.
        thresholds : AnatomyThresholds
        """
        from pose_core.analysis.pose_report import pose_report  # noqa: PLC0415

        frames = [subject.frame] if answer is None else answer.frames.tolist()
        first = max(min(subject.frame - REACH_FRAMES, frames[0]), 0)
        part = slice(first, max(subject.frame + REACH_FRAMES, frames[-1]) + 1)
        times_s, place = subject.session.clip.times_s[part], subject.frame - first
        poses = subject.stages[subject.stage, part]
        root = np.asarray(subject.run.poses.root)[part]
        key = subject.run, subject.stage, subject.frame, thresholds, part.start, part.stop
        if self._known is None or self._known[0] != key:
            self._known = key, pose_report(poses, root, times_s, place, thresholds)
        before = _side(subject, poses[place], root[place], moved, self._known[1])
        if answer is None:
            return Tried(None, before, before, np.zeros((0, 17)))
        new_poses, new_root = poses.copy(), root.copy()
        new_poses[answer.frames - first] = answer.stages[subject.stage]
        new_root[answer.frames - first] = answer.root
        report = pose_report(new_poses, new_root, times_s, place, thresholds)
        after = _side(subject, new_poses[place], new_root[place], moved, report)
        moved_mm = 1000 * np.linalg.norm(new_poses - poses, axis=-1)
        return Tried(answer, before, after, moved_mm[answer.frames - first])


def _side(
    subject: Subject, pose: np.ndarray, root: np.ndarray, moved: np.ndarray, report: "PoseReport"
) -> Side:
    pose, root = pose.astype(np.float64), root.astype(np.float64)
    miss = np.linalg.norm(subject.camera.project(pose + root) - moved, axis=-1)
    known = miss[np.isfinite(miss)]
    error = np.full(17, np.nan)
    if subject.truth_xyz is not None:
        error = mpjpe(pose[None], subject.truth_xyz[subject.frame][None].astype(np.float64))[0]
    miss_px = float(known.mean()) if len(known) else np.nan
    return Side(pose, root, report, miss_px, float(error.mean()))


def numbers_of(result: Tried) -> np.ndarray:
    """(rows, columns) of `ROWS` and `COLUMNS`; NaN where there is nothing to say."""
    has_answer = result.answer is not None
    sides = [_numbers(result.before), _numbers(result.after) if has_answer else {}]
    limits = {
        name: shown_unit(finding.unit)[1] * finding.threshold
        for name, finding in result.before.report.findings.items()
    }
    columns = [*sides, limits]
    return np.array([[column.get(name, np.nan) for column in columns] for name in ROWS])


def _numbers(side: Side) -> dict[str, float]:
    found = {
        name: shown_unit(finding.unit)[1] * finding.severity
        for name, finding in side.report.findings.items()
    }
    return {**side.report.losses, "miss": side.miss_px, "error": side.error_mm, **found}


def problems_text(result: Tried) -> str:
    """The problems of the frame, before and after, in a line."""
    texts = [_problems(side) for side in (result.before, result.after)]
    if result.answer is None:
        return f"Problems in this frame: {texts[0]}."
    if texts[0] == texts[1]:
        return f"Problems in this frame, as before: {texts[0]}."
    return f"Problems in this frame before: {texts[0]}; after: {texts[1]}."


def _problems(side: Side) -> str:
    words = [f"{KIND_TITLES[p.kind]} ({p.place.replace('_', ' ')})" for p in side.report.problems]
    return ", ".join(words) or "none"


def what_happened(subject: Subject, result: Tried, moved: Mapping[int, Place]) -> str:
    """What was moved, and which frames change by that; what to do, where nothing was."""
    answer = result.answer
    if answer is None:
        return f"Drag a joint of {subject.track.name} on the video. Esc puts it back."
    known, words = subject.track.keypoints.xy[subject.frame], []
    for joint, place in sorted(moved.items()):
        dx, dy = np.subtract(place, known[joint])
        words.append(f"{JOINT_NAMES[joint]} {dx:+.1f}, {dy:+.1f} px")
    text = f"<b>{'; '.join(words)}</b>. "
    if answer.pull is not None:
        residual = answer.pull.residual
        text += (
            f"Self-correction: residual {residual[0]:.4f} before, {residual[-1]:.4f} after; robust "
            f"joints moved {answer.pull.robust_mm:.1f} mm. "
        )
    if not answer.is_whole:
        return text + "Let go to run all frames that change, and to fit the skeleton."
    return text + f"Frames {answer.frames[0]} to {answer.frames[-1]} change."
