"""Findings of anatomy as a list of problems, each with its frames."""

from dataclasses import dataclass

import numpy as np

from pose_core.analysis.anatomy import ARMS, LEGS, AnatomyFindings, Finding
from pose_core.skeleton import H36M_17, Skeleton

# Both sides of a pair have the same severity: one of them stands for both.
_PAIRED = "side_difference"
_SWAP = "side_swap"
SIDES = ("left", "right")
LIMBS = {"legs": LEGS, "arms": ARMS}


@dataclass(frozen=True)
class Problem:
    """Consecutive frames in which one joint has one kind of finding.

    Parameters
    ----------
    kind : str
        Name of the finding.
    place : str
        The joint; for what concerns several, what they are called together.
    joints : tuple of int
    start, end : int
        Frames ``start <= frame < end``.
    worst_frame : int
    severity : float
        In that frame.
    threshold : float
    unit : str
        Of both.
    """

    kind: str
    place: str
    joints: tuple[int, ...]
    start: int
    end: int
    worst_frame: int
    severity: float
    threshold: float
    unit: str

    @property
    def grade(self) -> float:
        """Severity by its threshold, to compare problems of different kinds."""
        return self.severity / self.threshold


def problems_of(findings: AnatomyFindings, skeleton: Skeleton = H36M_17) -> list[Problem]:
    """All problems of one person, in the order of their frames.

    An exchange of sides is found in the frame in which it begins and again in that in which it
    ends; the problem lasts from one to the other, or to the end of the clip.
    """
    found: list[Problem] = []
    for finding in findings:
        for place, joints in _places(finding, skeleton):
            mask = finding.found_mask[:, joints[0]]
            frames = _between_exchanges(mask) if finding.name == _SWAP else _stretches(mask)
            severity = finding.severity[:, joints[0]]
            for start, end in frames:
                worst = start + int(np.nanargmax(severity[start:end]))
                found.append(
                    Problem(
                        finding.name,
                        place,
                        joints,
                        start,
                        end,
                        worst,
                        float(severity[worst]),
                        finding.threshold,
                        finding.unit,
                    )
                )
    return sorted(found, key=lambda problem: (problem.start, problem.kind, problem.place))


def _places(finding: Finding, skeleton: Skeleton) -> list[tuple[str, tuple[int, ...]]]:
    """What the columns of a finding stand for: joints, pairs of them, or whole limbs."""
    names = skeleton.joint_names
    if finding.name == _SWAP:
        return [
            (limb, tuple(skeleton.index(f"{side}_{name}") for side in SIDES for name in joints))
            for limb, joints in LIMBS.items()
        ]
    if finding.name == _PAIRED:
        return [
            (names[left].removeprefix("left_") + "s", (left, right))
            for left, right in skeleton.left_right_pairs
        ]
    return [(name, (joint,)) for joint, name in enumerate(names)]


def _stretches(mask: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of every run of true frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _between_exchanges(mask: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) from every odd true frame to the even one after it, or to the end."""
    frames = [*np.flatnonzero(mask).tolist()]
    if len(frames) % 2:
        frames.append(len(mask))
    return list(zip(frames[::2], frames[1::2], strict=True))
