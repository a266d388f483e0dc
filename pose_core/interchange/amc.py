"""Acclaim ASF and AMC: a skeleton of bones, and the rotations of its bones in each frame.

A bone has a direction and a length in the axes of the whole body at rest, and its own axes, in
which its motion is given. Rotations listed as ``rx ry rz`` are carried out in that order about
fixed axes. A point is named after the bone that ends there.

References
----------
M. Schafer, *Acclaim Skeleton File Definition V1.10*, 1994.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pose_core.errors import ExportError
from pose_core.interchange.named_points import NamedPoints
from pose_core.interchange.reading import open_to_read

ROOT = "root"
INCH_M = 0.0254
MAX_BONES = 1000
LARGEST_NUMBER = 1e9
_ROTATIONS = ("rx", "ry", "rz")
_TRANSLATIONS = ("tx", "ty", "tz")
_AXIS_ORDERS = ("xyz", "xzy", "yxz", "yzx", "zxy", "zyx")


@dataclass(frozen=True, eq=False)
class Bone:
    """One bone of an ASF skeleton.

    Parameters
    ----------
    name : str
    parent : str
        Name of the bone at whose end it begins.
    offset : (3,) ndarray
        From its start to its end at rest, in the file's unit and axes. Zero for the root.
    axes : (3, 3) ndarray
        From the bone's own axes to the body's at rest.
    channels : tuple of str
        Its degrees of freedom in the order of their values, for example ``("rx", "rz")``.
    """

    name: str
    parent: str
    offset: np.ndarray
    axes: np.ndarray
    channels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class AsfSkeleton:
    """The content of an ASF file.

    Parameters
    ----------
    bones : tuple of Bone
        The root first, parents before children.
    root_position : (3,) ndarray
        Where the root is when its channels are zero.
    metres_per_unit : float, optional
        By the reading of the CMU database: ``length`` units make an inch. None without one.
    radians_per_unit : float
        Of the angles in this file and, unless they say otherwise, its AMC files.
    """

    bones: tuple[Bone, ...]
    root_position: np.ndarray
    metres_per_unit: float | None
    radians_per_unit: float


# --- motion -----------------------------------------------------------------------------------


def load_amc(path: Path, skeleton: AsfSkeleton) -> NamedPoints:
    """Read an AMC file: where each bone of the skeleton ends in each frame.

    The format has no frame rate: `fps` is NaN.

    Raises
    ------
    ExportError
        If it cannot be opened, is damaged, or belongs to another skeleton.
    """
    with open_to_read(path) as handle:
        return read_amc(handle, skeleton)


def read_amc(handle: BinaryIO, skeleton: AsfSkeleton) -> NamedPoints:
    """Read AMC text.

    Raises
    ------
    ExportError
    """
    values, radians_per_unit = _read_values(handle, skeleton)
    num_frames = len(values[ROOT])
    ends: dict[str, np.ndarray] = {}
    turns: dict[str, np.ndarray] = {}
    for bone in skeleton.bones:
        rows = dict(zip(bone.channels, values[bone.name].T, strict=True))
        turn = _rotation(rows, radians_per_unit, num_frames)
        if not bone.parent:
            moved = [rows.get(axis, np.zeros(num_frames)) for axis in _TRANSLATIONS]
            ends[ROOT] = skeleton.root_position + np.stack(moved, axis=-1)
            turns[ROOT] = turn @ bone.axes  # the pre-set orientation comes first
            continue
        turns[bone.name] = turns[bone.parent] @ bone.axes @ turn @ bone.axes.T
        ends[bone.name] = ends[bone.parent] + turns[bone.name] @ bone.offset
    names = tuple(ends)
    return NamedPoints(
        names=names,
        xyz=np.stack([ends[name] for name in names], axis=1),
        fps=math.nan,
        metres_per_unit=skeleton.metres_per_unit,
    )


def _rotation(rows: dict[str, np.ndarray], radians_per_unit: float, num_frames: int) -> np.ndarray:
    """(T, 3, 3) rotations by the channels, each after those before it."""
    total = np.tile(np.eye(3), (num_frames, 1, 1))
    for name, row in rows.items():
        if name in _ROTATIONS:
            total = _about("xyz".index(name[1]), row * radians_per_unit) @ total
    return total


def _about(axis: int, angles: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rotations about one axis."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = np.tile(np.eye(3), (len(angles), 1, 1))
    turn[:, i, i] = turn[:, j, j] = np.cos(angles)
    turn[:, j, i] = np.sin(angles)
    turn[:, i, j] = -turn[:, j, i]
    return turn


def _read_values(handle: BinaryIO, skeleton: AsfSkeleton) -> tuple[dict[str, np.ndarray], float]:
    """Values (T, C) of each bone, and the size of an angle's unit."""
    radians_per_unit = skeleton.radians_per_unit
    words: dict[str, list[str]] = {bone.name: [] for bone in skeleton.bones}
    counts = {bone.name: len(bone.channels) for bone in skeleton.bones}
    num_frames = 0
    for line in _lines(handle):
        name, *rest = line.split()
        if name.upper() in (":DEGREES", ":RADIANS"):
            radians_per_unit = math.radians(1) if name.upper() == ":DEGREES" else 1.0
        elif name.startswith(":"):
            continue
        elif name.isdigit() and not rest:
            num_frames += 1
        elif name not in words or len(rest) != counts[name]:
            raise _damaged("AMC", _out_of_place(name, rest, counts, num_frames))
        else:
            words[name] += rest
    if not num_frames:
        raise ExportError("This is not an AMC file: it has no frames.")
    for name, count in counts.items():
        if len(words[name]) != count * num_frames:
            held = len(words[name]) / max(count, 1)
            raise _damaged("AMC", f"it has {num_frames} frames and {held:g} of {name[:40]!r}")
    return {
        name: _numbers(words[name], name).reshape(num_frames, counts[name]) for name in words
    }, radians_per_unit


def _out_of_place(name: str, rest: list[str], counts: dict[str, int], num_frames: int) -> str:
    if name in counts:
        return f"{name!r} has {len(rest)} values in frame {num_frames} in place of {counts[name]}"
    return f"{name[:40]!r} in frame {num_frames} is no bone of the skeleton"


# --- skeleton ---------------------------------------------------------------------------------


def load_asf(path: Path) -> AsfSkeleton:
    """Read an ASF file.

    Raises
    ------
    ExportError
        If it cannot be opened, is no ASF, or is damaged.
    """
    with open_to_read(path) as handle:
        return read_asf(handle)


def read_asf(handle: BinaryIO) -> AsfSkeleton:
    """Read ASF text.

    Raises
    ------
    ExportError
    """
    sections = _sections(handle)
    units = {words[0]: words[1:] for words in sections.get(":units", [])}
    angle = "".join(units.get("angle", ["deg"])).lower()
    radians_per_unit = math.radians(1) if angle.startswith("deg") else 1.0
    length = float(_numbers(units.get("length", [])[:1] or ["0"], "units")[0])
    root = {words[0]: words[1:] for words in sections[":root"]}
    order = tuple(word.lower() for word in root.get("order", []))
    bones = {ROOT: Bone(ROOT, "", np.zeros(3), _root_axes(root, radians_per_unit), order)}
    if set(order) - {*_ROTATIONS, *_TRANSLATIONS} or len(set(order)) < len(order) or not order:
        raise _damaged("ASF", f"the order of its root is {' '.join(order)[:40]!r}")
    parents = {child: words[0] for words in sections[":hierarchy"] for child in words[1:]}
    described = [_bone(said, parents, radians_per_unit) for said in _blocks(sections[":bonedata"])]
    _add_in_order(bones, described)
    return AsfSkeleton(
        bones=tuple(bones.values()),
        root_position=_vector(root.get("position", ["0"] * 3), "position of the root"),
        metres_per_unit=INCH_M / length if 1e-6 < length < LARGEST_NUMBER else None,
        radians_per_unit=radians_per_unit,
    )


def _sections(handle: BinaryIO) -> dict[str, list[list[str]]]:
    """The words of the lines in each section."""
    found: dict[str, list[list[str]]] = {}
    section = ""
    for line in _lines(handle):
        # Commas and parentheses count as white space.
        words = line.translate(str.maketrans("(),", "   ")).split()
        if line.startswith(":"):
            section = words[0].lower()
        elif words:
            found.setdefault(section, []).append(words)
    if missing := [name for name in (":root", ":bonedata", ":hierarchy") if name not in found]:
        raise ExportError(f"This is not an ASF file: {missing[0]} is missing.")
    return found


def _blocks(lines: list[list[str]]) -> list[dict[str, list[str]]]:
    """What is said of each bone between ``begin`` and ``end``."""
    blocks: list[dict[str, list[str]]] = []
    for words in lines:
        if words == ["begin"]:
            blocks.append({})
        elif blocks and words != ["end"]:
            blocks[-1][words[0]] = words[1:]
    if not 1 <= len(blocks) <= MAX_BONES:
        raise _damaged("ASF", f"it has {len(blocks)} bones")
    return blocks


def _root_axes(root: dict[str, list[str]], radians_per_unit: float) -> np.ndarray:
    angles = root.get("orientation", ["0"] * 3)
    return _axes(angles, "".join(root.get("axis", ["xyz"])), radians_per_unit)


def _axes(angles: list[str], order: str, radians_per_unit: float) -> np.ndarray:
    """(3, 3) rotation by three angles about fixed axes, in the order given."""
    if order.lower() not in _AXIS_ORDERS:
        raise _damaged("ASF", f"{order[:40]!r} is no order of axes")
    values = _vector(angles, "axis")[:, None]
    rows = {f"r{axis}": value for axis, value in zip(order.lower(), values, strict=True)}
    return _rotation(rows, radians_per_unit, 1)[0]


def _bone(said: dict[str, list[str]], parents: dict[str, str], radians_per_unit: float) -> Bone:
    name = " ".join(said.get("name", []))
    if name not in parents:
        raise _damaged("ASF", f"the bone {name[:40]!r} is not in the hierarchy")
    channels = tuple(word.lower() for word in said.get("dof", []))
    if set(channels) - set(_ROTATIONS) or len(set(channels)) < len(channels):
        raise _damaged("ASF", f"{name[:40]} has the degrees of freedom {' '.join(channels)[:40]!r}")
    direction = _vector(said.get("direction", []), f"direction of {name[:40]}")
    length = _numbers(said.get("length", []), f"length of {name[:40]}")
    norm = np.linalg.norm(direction)
    if len(length) != 1 or (norm == 0 and length[0] != 0):
        raise _damaged("ASF", f"{name[:40]} has no length or no direction")
    *angles, order = said.get("axis", ["0", "0", "0", "xyz"])
    return Bone(
        name=name,
        parent=parents[name],
        offset=length[0] * direction / max(float(norm), 1e-12),
        axes=_axes(angles, order, radians_per_unit),
        channels=channels,
    )


def _add_in_order(bones: dict[str, Bone], described: list[Bone]) -> None:
    """Add bones whose parents are there, until none is left."""
    while ready := [b for b in described if b.parent in bones and b.name not in bones]:
        bones.update((bone.name, bone) for bone in ready)
    if lost := [bone.name for bone in described if bone.name not in bones]:
        raise _damaged("ASF", f"{lost[0][:40]!r} hangs on no bone that is described")


# --- text -------------------------------------------------------------------------------------


def _lines(handle: BinaryIO) -> list[str]:
    """Lines without comments and margins."""
    text = handle.read().decode("utf-8-sig", errors="replace")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _vector(words: list[str], where: str) -> np.ndarray:
    numbers = _numbers(words, where)
    if numbers.shape != (3,):
        raise _damaged("ASF", f"three numbers are expected for the {where}")
    return numbers


def _numbers(words: list[str], where: str) -> np.ndarray:
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError:
        values = np.full(1, np.nan)
    if not (np.abs(values) < LARGEST_NUMBER).all():
        raise ExportError(f"The file is damaged: a value of {where[:60]} is not a usable number.")
    return values


def _damaged(kind: str, what: str) -> ExportError:
    return ExportError(f"The {kind} file is damaged: {what}.")
