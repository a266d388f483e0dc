"""Biovision BVH: a skeleton of joints with offsets, and Euler angles for each frame.

Any hierarchy and channel order is read. `pose_core.interchange.retarget` makes the motion of our
own poses; this file only knows the format.

Convention for positions: a root's position channels are added to its OFFSET, those of any other
joint take the place of its OFFSET. (Programs differ for roots with an OFFSET; we write zero.)
"""

import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pose_core.atomic_file import atomic_write
from pose_core.errors import ExportError
from pose_core.interchange.reading import open_to_read

_AXES = {"x": 0, "y": 1, "z": 2}
_CHANNELS = {
    f"{axis}{kind}".lower(): f"{axis}{kind}" for kind in ("position", "rotation") for axis in "XYZ"
}
END_SUFFIX = "_end"
MAX_JOINTS = 10_000
LARGEST_NUMBER = 1e9  # beyond it, sums and angles lose their meaning

_MOTION_LINE = re.compile(r"^\s*MOTION\s*$", re.MULTILINE)
_MOTION_HEAD = re.compile(r"\s*Frames\s*:\s*(\d{1,9})\s+Frame\s+Time\s*:\s*(\S+)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class BvhMotion:
    """The content of a BVH file, in its own unit and axes (ours: centimetres, y up).

    Parameters
    ----------
    names : tuple of str
        J joint names, parents before children. End sites are joints without channels, named
        after their parent with ``_end``.
    parents : tuple of int
        Parent of each joint, -1 for a root.
    offsets : (J, 3) float64 ndarray
        Position in the parent's axes at rest.
    channels : tuple of tuple of str
        For each joint, for example ``("Zrotation", "Xrotation", "Yrotation")``.
    values : (T, C) float64 ndarray
        All channels in the order of the joints; rotations in degrees.
    frame_time_s : float
        Seconds per frame.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    channels: tuple[tuple[str, ...], ...]
    values: np.ndarray
    frame_time_s: float

    @property
    def num_frames(self) -> int:
        return len(self.values)

    def index(self, joint_name: str) -> int:
        """Index of a joint.

        Raises
        ------
        ExportError
            If there is none of that name.
        """
        if joint_name not in self.names:
            raise ExportError(f"The BVH skeleton has no joint {joint_name!r}.")
        return self.names.index(joint_name)

    def forward_kinematics(self) -> tuple[np.ndarray, np.ndarray]:
        """Where every joint is.

        Returns
        -------
        positions : (T, J, 3) float64 ndarray
            In the file's unit and axes.
        rotations : (T, J, 3, 3) float64 ndarray
            From each joint's axes to the file's.
        """
        # Frames run along the last axis, so that every step is arithmetic on long rows.
        num_frames, num_joints = self.num_frames, len(self.names)
        positions = np.zeros((num_joints, 3, num_frames))
        rotations = np.zeros((num_joints, 3, 3, num_frames))
        rows = np.ascontiguousarray(self.values.T)
        row = 0
        for joint, (parent, names) in enumerate(zip(self.parents, self.channels, strict=True)):
            values = rows[row : row + len(names)]
            row += len(names)
            local = self._local_positions(joint, names, values)
            if parent < 0:
                positions[joint] = local
                rotations[joint] = np.eye(3)[..., None]
            else:
                rotations[joint] = rotations[parent]
                moved = np.einsum("ijt,jt->it", rotations[parent], local)
                positions[joint] = positions[parent] + moved
            _turn(rotations[joint], names, values)
        return np.moveaxis(positions, -1, 0), np.moveaxis(rotations, -1, 0)

    def _local_positions(self, joint: int, names: Sequence[str], values: np.ndarray) -> np.ndarray:
        """(3, T) position of a joint in its parent's axes."""
        local = np.repeat(self.offsets[joint][:, None], values.shape[1], axis=1)
        is_root = self.parents[joint] < 0
        for name, value in zip(names, values, strict=True):
            if name.endswith("position"):
                axis = _AXES[name[0].lower()]
                local[axis] = value + (self.offsets[joint, axis] if is_root else 0.0)
        return local


def _turn(rotation: np.ndarray, names: Sequence[str], values: np.ndarray) -> None:
    """Multiply (3, 3, T) rotations, in place, by the rotation channels from left to right."""
    for name, value in zip(names, values, strict=True):
        if name.endswith("rotation"):
            axis = _AXES[name[0].lower()]
            cosine, sine = np.cos(np.deg2rad(value)), np.sin(np.deg2rad(value))
            # A turn about an axis mixes only the two columns of the other axes.
            first, second = rotation[:, (axis + 1) % 3], rotation[:, (axis + 2) % 3]
            turned = cosine * first + sine * second
            second[:] = cosine * second - sine * first
            first[:] = turned


# --- writing ----------------------------------------------------------------------------------


def save_bvh(path: Path, motion: BvhMotion) -> None:
    """Write a BVH file, whole or not at all.

    Raises
    ------
    ExportError
    """
    with atomic_write(path, ExportError) as handle:
        write_bvh(handle, motion)


def write_bvh(handle: BinaryIO, motion: BvhMotion) -> None:
    """Write BVH text; the inverse of `read_bvh`.

    Raises
    ------
    ExportError
        If the joints are not in depth-first order, as the channels of a BVH file must be.
    """
    lines = [
        "HIERARCHY",
        *_hierarchy_lines(motion),
        "MOTION",
        f"Frames: {motion.num_frames}",
        f"Frame Time: {motion.frame_time_s:.9f}",
    ]
    handle.write(("\n".join(lines) + "\n").encode())
    np.savetxt(handle, motion.values, fmt="%.6f")


def _hierarchy_lines(motion: BvhMotion) -> Iterator[str]:
    open_joints: list[int] = []
    for joint, parent in enumerate(motion.parents):
        while open_joints and open_joints[-1] != parent:
            yield "\t" * (len(open_joints) - 1) + "}"
            open_joints.pop()
        if parent >= 0 and not open_joints:
            raise ExportError(f"The joint {motion.names[joint]!r} is not in depth-first order.")
        pad = "\t" * len(open_joints)
        names = motion.channels[joint]
        is_end = not names and open_joints and joint not in motion.parents
        kind = "JOINT" if open_joints else "ROOT"
        yield pad + ("End Site" if is_end else f"{kind} {motion.names[joint]}")
        yield pad + "{"
        yield pad + "\tOFFSET {:.6f} {:.6f} {:.6f}".format(*motion.offsets[joint])
        if not is_end:
            yield " ".join([f"{pad}\tCHANNELS {len(names)}", *names])
        open_joints.append(joint)
    for depth in reversed(range(len(open_joints))):
        yield "\t" * depth + "}"


# --- reading ----------------------------------------------------------------------------------


def load_bvh(path: Path) -> BvhMotion:
    """Read a BVH file.

    Raises
    ------
    ExportError
        If it cannot be opened, is no BVH, or is damaged; the text says where.
    """
    with open_to_read(path) as handle:
        return read_bvh(handle)


def read_bvh(handle: BinaryIO) -> BvhMotion:
    """Read BVH text; the inverse of `write_bvh`.

    Raises
    ------
    ExportError
    """
    text = handle.read().decode("utf-8-sig", errors="replace")
    sections = _MOTION_LINE.split(text, maxsplit=1)
    if len(sections) < 2 or sections[0].split()[:1] != ["HIERARCHY"]:
        raise ExportError("This is not a BVH file: HIERARCHY or MOTION is missing.")
    hierarchy = _HierarchyParser(sections[0].split()[1:])
    hierarchy.parse()
    values, frame_time_s = _parse_motion(sections[1], sum(map(len, hierarchy.channels)))
    return BvhMotion(
        names=tuple(hierarchy.names),
        parents=tuple(hierarchy.parents),
        offsets=np.array(hierarchy.offsets),
        channels=tuple(hierarchy.channels),
        values=values,
        frame_time_s=frame_time_s,
    )


def _parse_motion(text: str, num_channels: int) -> tuple[np.ndarray, float]:
    """Values (T, C) and seconds per frame of the MOTION section."""
    head = _MOTION_HEAD.match(text)
    if not head:
        raise _damaged("Frames or Frame Time is missing")
    num_frames = int(head[1])
    frame_time_s = _number(head[2], "Frame Time")
    if frame_time_s <= 0 or num_frames < 1 or num_channels < 1:
        raise _damaged("it has no frames, no channels or no frame time")
    rows = text[head.end() :]
    try:  # several times as fast as taking the words one by one, but only for a row per frame
        values = np.loadtxt(io.StringIO(rows), comments=None, ndmin=2)
    except ValueError:
        values = np.zeros((0, 0))
    if values.shape == (num_frames, num_channels) and (np.abs(values) < LARGEST_NUMBER).all():
        return values, frame_time_s
    words = rows.split()
    if len(words) != num_frames * num_channels:
        raise _damaged(
            f"it announces {num_frames} frames of {num_channels} numbers, "
            f"and holds {len(words) / num_channels:.1f}"
        )
    values = np.array([_number(word, "a frame") for word in words])
    return values.reshape(num_frames, num_channels), frame_time_s


def _number(word: str, where: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not abs(number) < LARGEST_NUMBER:
        raise _damaged(f"{word[:40]!r} is not a usable number in {where}")
    return number


def _damaged(what: str) -> ExportError:
    return ExportError(f"The BVH file is damaged: {what}.")


class _HierarchyParser:
    """Turns the words of the HIERARCHY section into lists of joints."""

    def __init__(self, words: list[str]) -> None:
        self.words = iter(words)
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[list[float]] = []
        self.channels: list[tuple[str, ...]] = []

    def parse(self) -> None:
        """Read all joints; ExportError where the text makes no sense."""
        open_joints: list[int] = []
        for word in self.words:
            if word == "}" and open_joints:
                open_joints.pop()
            elif word in ("ROOT", "JOINT") and (word == "ROOT") == (not open_joints):
                self._start_joint(self._words_to_brace(), open_joints)
                self.channels[-1] = self._read_channels()
            elif word == "End" and open_joints:
                self._words_to_brace()  # "Site"
                self._start_joint(self.names[open_joints[-1]] + END_SUFFIX, open_joints)
            else:
                raise _damaged(f"{word[:40]!r} is out of place in the hierarchy")
        if open_joints or not self.names:
            raise _damaged("the hierarchy ends early")

    def _start_joint(self, name: str, open_joints: list[int]) -> None:
        if len(self.names) >= MAX_JOINTS:
            raise _damaged(f"it has more than {MAX_JOINTS} joints")
        self.names.append(name)
        self._expect("OFFSET")
        self.offsets.append([_number(self._word(), name[:40]) for _ in range(3)])
        self.parents.append(open_joints[-1] if open_joints else -1)
        self.channels.append(())
        open_joints.append(len(self.names) - 1)

    def _read_channels(self) -> tuple[str, ...]:
        self._expect("CHANNELS")
        count = self._word()
        if count not in tuple("0123456789"):
            raise _damaged(f"{self.names[-1][:40]} has {count[:40]!r} channels")
        words = [self._word() for _ in range(int(count))]
        for word in words:
            if word.lower() not in _CHANNELS:
                raise _damaged(f"{self.names[-1][:40]} has an unknown channel {word[:40]!r}")
        return tuple(_CHANNELS[word.lower()] for word in words)

    def _words_to_brace(self) -> str:
        """Read the name of a joint, which some programs write with spaces."""
        words = list(iter(self._word, "{"))
        if not words:
            raise _damaged("a joint without a name")
        return " ".join(words)

    def _word(self) -> str:
        word = next(self.words, None)
        if word is None:
            raise _damaged("the hierarchy ends early")
        return word

    def _expect(self, expected: str) -> None:
        word = self._word()
        if word != expected:
            raise _damaged(
                f"{expected} expected in place of {word[:40]!r} in {self.names[-1][:40]}"
            )
