"""What losses and anatomy say of one frame, to compare a pose with another one."""

from dataclasses import dataclass

import numpy as np
import torch

from pose_core.analysis.anatomy import AnatomyThresholds, anatomy_findings
from pose_core.analysis.problems import Problem, problems_of
from pose_core.levelling import UP, levelling_rotation
from pose_core.losses.structure import StructureWeights, structure_terms

_UNWEIGHTED = StructureWeights(angle=1.0, symmetry=1.0, geometry=1.0)


@dataclass(frozen=True)
class Severity:
    """Of one kind of finding, that of the worst joint; NaN where it cannot be told."""

    severity: float
    threshold: float
    unit: str


@dataclass(frozen=True, eq=False)
class PoseReport:
    """Losses and findings of a frame.

    Parameters
    ----------
    losses : dict of str to float
        ``angle`` (Eq. 1), ``symmetry`` (Eq. 2) and ``geometry`` as they are, and their sum with
        the weights of section 4.3 as ``total`` (Eq. 3), Dabral et al. 2018.
    findings : dict of str to Severity
        By kind, in the frame.
    problems : tuple of Problem
        Those that last in the frame.
    """

    losses: dict[str, float]
    findings: dict[str, Severity]
    problems: tuple[Problem, ...]


def pose_report(
    poses: np.ndarray,
    root: np.ndarray,
    times_s: np.ndarray,
    frame: int,
    thresholds: AnatomyThresholds,
) -> PoseReport:
    """Examine one frame among others.

    Parameters
    ----------
    poses : (T, 17, 3) ndarray
        Root-relative, camera axes, metres; NaN where missing. The other frames tell how long
        bones are, how fast joints move, and where the ground is.
    root : (T, 3) ndarray
        Pelvis in camera coordinates, metres; NaN where unknown.
    times_s : (T,) ndarray
    frame : int
        Index into these.
    thresholds : AnatomyThresholds
    """
    poses, root = np.asarray(poses, np.float64), np.asarray(root, np.float64)
    pose = torch.from_numpy(poses[frame])
    terms = structure_terms(pose, _UNWEIGHTED)
    total = torch.stack(list(structure_terms(pose, StructureWeights()).values())).sum()
    rotation = levelling_rotation(poses + root[:, None])
    up = UP if rotation is None else rotation.T @ UP
    findings = anatomy_findings(poses, times_s, root, up=up, thresholds=thresholds)
    return PoseReport(
        {**{name: float(value) for name, value in terms.items()}, "total": float(total)},
        {f.name: Severity(float(f.per_frame[frame]), f.threshold, f.unit) for f in findings},
        tuple(p for p in problems_of(findings) if p.start <= frame < p.end),
    )
