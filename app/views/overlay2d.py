"""People drawn over the picture, and finding the joint under the cursor.

Side is told by colour and by shape (left: orange circles, right: blue squares, middle: grey
diamonds), low confidence by hollow joints and dashed bones, a user's own joints by a white square
frame, interpolated ones by a yellow diamond frame.
"""

from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPainterPath, QPen

from app.views.paint import draw_pill
from app.views.zoom import Zoom
from pose_core.palette import OUTLINE, SIDE_COLOURS, TRUTH
from pose_core.poses import SOURCE_DETECTOR, SOURCE_INTERPOLATED, SOURCE_NONE, SOURCE_USER
from pose_core.skeleton import H36M_17

LOW_CONFIDENCE = 0.5
HEAD_TOP = H36M_17.index("head_top")
BONES = np.array(H36M_17.bones)
SIDES = tuple(H36M_17.side(joint) for joint in range(H36M_17.num_joints))
# In the order of the SOURCE_ constants of pose_core.poses.
SOURCE_NAMES = ("", "detector", "model", "set by you", "interpolated", "imported")
_OUTLINE = QColor(*OUTLINE, 215)
_HOLLOW = QColor(*OUTLINE, 110)
_WHITE = QColor(255, 255, 255)
_YELLOW = QColor(240, 228, 66)  # of the Okabe-Ito set
FRAME_SIZE = 1.95  # of the frame around a joint that was edited, in sizes of the joint
TRUTH_COLOUR = QColor(*TRUTH)
# What a joint's look says; see `draw_sample`.
LEGEND = ("predicted", "occluded", "edited", "interpolated", "absent")
PROJECTION_COLOUR = QColor(0, 158, 115)  # bluish green of the Okabe-Ito set
COLOUR_OF_SIDE = {side: QColor(*rgb) for side, rgb in SIDE_COLOURS.items()}


@dataclass(frozen=True, eq=False)
class PersonOverlay:
    """One person in the shown frame.

    Parameters
    ----------
    track_id : int
    xy : (17, 2) ndarray
        Joints of the Human3.6M skeleton, pixels of the upright picture; NaN where missing.
    scores : (17,) ndarray
        Confidence 0..1.
    is_selected : bool
    sources : (17,) ndarray, optional
        ``SOURCE_`` constants of `pose_core.poses`.
    """

    track_id: int
    xy: np.ndarray
    scores: np.ndarray
    is_selected: bool
    sources: np.ndarray | None = None


@dataclass(frozen=True)
class Look:
    """Sizes of a person's drawing, device pixels."""

    bone: float
    rim: float
    joint: float
    opacity: float

    @classmethod
    def of(cls, is_selected: bool, pixel_ratio: float) -> "Look":
        if is_selected:
            return cls(3.2 * pixel_ratio, 1.1 * pixel_ratio, 4.6 * pixel_ratio, 1.0)
        return cls(1.6 * pixel_ratio, 0.8 * pixel_ratio, 2.9 * pixel_ratio, 0.6)


def draw_people(
    painter: QPainter,
    people: list[PersonOverlay],
    zoom: Zoom,
    device_size: tuple[int, int],
    pixel_ratio: float,
    hovered: tuple[int, int] | None,
) -> None:
    """Draw every person, the selected ones on top.

    Parameters
    ----------
    painter : QPainter
        In device pixels.
    people : list of PersonOverlay
    zoom : Zoom
    device_size : (int, int)
        Width and height of the widget, device pixels; what lies outside is not drawn.
    pixel_ratio : float
        Device pixels per logical pixel.
    hovered : (int, int), optional
        Track id and joint under the cursor.
    """
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for is_selected in (False, True):
        group = [
            (person, zoom.to_device(person.xy))
            for person in people
            if person.is_selected == is_selected
        ]
        look = Look.of(is_selected, pixel_ratio)
        painter.setOpacity(look.opacity)
        _draw_bones(painter, group, device_size, look)
        _draw_joints(painter, group, device_size, look)
        painter.setOpacity(1.0)
        for person, points in group:
            if hovered is not None and hovered[0] == person.track_id:
                _draw_hovered(painter, points[hovered[1]], look, pixel_ratio)
    if len(people) > 1:
        _draw_numbers(painter, people, zoom, pixel_ratio)


def draw_thin(
    painter: QPainter,
    xy: np.ndarray,
    zoom: Zoom,
    device_size: tuple[int, int],
    pixel_ratio: float,
    colour: QColor = TRUTH_COLOUR,
) -> None:
    """Draw a pose as thin bones of one colour: the true one, or where the 3D projects to.

    Parameters
    ----------
    xy : (17, 2) ndarray
        Pixels of the upright picture; NaN where not known.
    """
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    points = zoom.to_device(xy)
    ends = points.tolist()
    bones = [
        QLineF(*ends[parent], *ends[child])
        for parent, child in BONES[_bones_in_view(points, device_size)].tolist()
    ]
    for stroke, width in ((_OUTLINE, 4.4), (colour, 2.6)):
        pen = QPen(stroke, width * pixel_ratio)
        pen.setCapStyle(Qt.PenCapStyle.SquareCap)  # round ones take Qt many times as long
        painter.setPen(pen)
        painter.drawLines(bones)


def _bones_in_view(points: np.ndarray, device_size: tuple[int, int]) -> np.ndarray:
    """Indices of the bones that are known and not wholly beyond one side of the widget."""
    start, end = points[BONES[:, 0]], points[BONES[:, 1]]
    # Comparisons with NaN are false: bones with a missing joint drop out here.
    reaches_in = (np.maximum(start, end) >= 0) & (np.minimum(start, end) <= device_size)
    return np.flatnonzero(reaches_in.all(axis=1))


def _joints_in_view(points: np.ndarray, device_size: tuple[int, int], margin: float) -> np.ndarray:
    """Indices of the joints that are known and in the widget or less than `margin` outside."""
    inside = (points >= -margin) & (points <= np.add(device_size, margin))
    return np.flatnonzero(inside.all(axis=1))


def _draw_bones(
    painter: QPainter,
    group: list[tuple[PersonOverlay, np.ndarray]],
    device_size: tuple[int, int],
    look: Look,
) -> None:
    """Bones in one stroke per side and certainty: first all dark rims, then the colours."""
    lines: dict[tuple[str, bool], list[QLineF]] = {}
    for person, points in group:
        is_sure = person.scores >= LOW_CONFIDENCE
        ends = points.tolist()
        for parent, child in BONES[_bones_in_view(points, device_size)].tolist():
            key = (SIDES[child], bool(is_sure[parent] and is_sure[child]))
            lines.setdefault(key, []).append(QLineF(*ends[parent], *ends[child]))
    for is_rim in (True, False):
        for (side, is_sure), bones in lines.items():
            width = look.bone + 2 * look.rim if is_rim else look.bone
            pen = QPen(_OUTLINE if is_rim else COLOUR_OF_SIDE[side], width)
            # Flat ends: Qt fills them many times faster than round ones, and joints cover them.
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            if not is_sure and not is_rim:
                pen.setDashPattern([2.4, 2.0])
            painter.setPen(pen)
            painter.drawLines(bones)


def _draw_joints(
    painter: QPainter,
    group: list[tuple[PersonOverlay, np.ndarray]],
    device_size: tuple[int, int],
    look: Look,
) -> None:
    """Joints in one path per side and certainty."""
    paths: dict[tuple[str, bool], QPainterPath] = {}
    frames = {SOURCE_USER: QPainterPath(), SOURCE_INTERPOLATED: QPainterPath()}
    for person, points in group:
        for joint in _joints_in_view(points, device_size, 3 * look.joint):
            key = (SIDES[joint], bool(person.scores[joint] >= LOW_CONFIDENCE))
            _add_shape(paths.setdefault(key, QPainterPath()), key[0], points[joint], look.joint)
            source = SOURCE_NONE if person.sources is None else int(person.sources[joint])
            if source in frames:
                side = "right" if source == SOURCE_USER else "middle"
                _add_shape(frames[source], side, points[joint], look.joint * FRAME_SIZE)
    _stroke(painter, frames[SOURCE_USER], _WHITE, look)
    _stroke(painter, frames[SOURCE_INTERPOLATED], _YELLOW, look)
    for (side, is_sure), path in paths.items():
        path.setFillRule(Qt.FillRule.WindingFill)  # shapes that overlap stay filled
        if is_sure:
            painter.setPen(QPen(_OUTLINE, look.rim))
            painter.setBrush(COLOUR_OF_SIDE[side])
            painter.drawPath(path)
        else:
            painter.fillPath(path, QBrush(_HOLLOW))
            _stroke(painter, path, COLOUR_OF_SIDE[side], look)


def _stroke(painter: QPainter, path: QPainterPath, colour: QColor, look: Look) -> None:
    """Outline of shapes in a colour, with a dark rim on both of its sides."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(_OUTLINE, 3.6 * look.rim), QPen(colour, 1.8 * look.rim)):
        painter.setPen(pen)
        painter.drawPath(path)


def _add_shape(path: QPainterPath, side: str, point: np.ndarray, radius: float) -> None:
    """Circle for left, square for right, diamond for the middle; about equal in area."""
    x, y = float(point[0]), float(point[1])
    if side == "left":
        path.addEllipse(QPointF(x, y), radius, radius)
    elif side == "right":
        half = radius * 0.9
        path.addRect(QRectF(x - half, y - half, 2 * half, 2 * half))
    else:
        half = radius * 1.25
        path.moveTo(x, y - half)
        path.lineTo(x + half, y)
        path.lineTo(x, y + half)
        path.lineTo(x - half, y)
        path.closeSubpath()


def draw_sample(painter: QPainter, kind: str, middle: QPointF) -> None:
    """Draw a joint as it looks when it is one of `LEGEND`; painter in logical pixels."""
    if kind == "absent":
        draw_cross(painter, middle, COLOUR_OF_SIDE["left"])
        return
    source = {"edited": SOURCE_USER, "interpolated": SOURCE_INTERPOLATED}.get(kind, SOURCE_DETECTOR)
    joint = H36M_17.index("left_wrist")
    points = np.full((len(SIDES), 2), np.nan)
    points[joint] = middle.x(), middle.y()
    scores = np.full(len(SIDES), 0.25 if kind == "occluded" else 1.0)
    person = PersonOverlay(0, points, scores, True, np.full(len(SIDES), source))
    device = painter.device()
    look = replace(Look.of(True, 1.0), joint=3.6)
    _draw_joints(painter, [(person, points)], (device.width(), device.height()), look)


def draw_cross(painter: QPainter, middle: QPointF, colour: QColor, size: float = 4.5) -> None:
    """Draw the place of a joint that is absent; painter in logical pixels."""
    cross = QPainterPath()
    for sign in (-1, 1):
        cross.moveTo(middle.x() - size, middle.y() - sign * size)
        cross.lineTo(middle.x() + size, middle.y() + sign * size)
    for pen in (QPen(_OUTLINE, 4.2), QPen(colour, 2.0)):
        painter.strokePath(cross, pen)


def _draw_hovered(painter: QPainter, point: np.ndarray, look: Look, pixel_ratio: float) -> None:
    ring = QPainterPath()
    ring.addEllipse(QPointF(*point), look.joint + 5 * pixel_ratio, look.joint + 5 * pixel_ratio)
    _stroke(painter, ring, _WHITE, look)


def _draw_numbers(
    painter: QPainter, people: list[PersonOverlay], zoom: Zoom, pixel_ratio: float
) -> None:
    """Each person's number above the head, or above the highest joint seen."""
    painter.save()
    painter.scale(pixel_ratio, pixel_ratio)
    for person in people:
        points = zoom.to_device(person.xy) / pixel_ratio
        seen = np.all(np.isfinite(points), axis=1)
        if not seen.any():
            continue
        top = HEAD_TOP if seen[HEAD_TOP] else int(np.nanargmin(points[:, 1]))
        painter.setOpacity(1.0 if person.is_selected else 0.75)
        anchor = QPointF(points[top, 0], points[top, 1] - 9)
        is_above = Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignHCenter
        draw_pill(painter, str(person.track_id), anchor, is_above)
    painter.restore()


def joint_text(person: PersonOverlay, joint: int) -> str:
    """What is known of a joint, for a tooltip: name, person, pixel, score, where it comes from."""
    name = H36M_17.joint_names[joint].replace("_", " ").capitalize()
    x, y = person.xy[joint]
    source = "" if person.sources is None else SOURCE_NAMES[int(person.sources[joint])]
    score = f"score {person.scores[joint]:.2f}" + (f", {source}" if source else "")
    return f"{name}, person {person.track_id}\nx {x:.1f}  y {y:.1f} px\n{score}"


def joint_at(
    people: list[PersonOverlay], zoom: Zoom, x: float, y: float, reach: float
) -> tuple[int, int] | None:
    """Track id and joint nearest to a device pixel, within `reach` device pixels.

    A selected person's joint wins over another's that is as near.
    """
    best, found = reach, None
    for person in sorted(people, key=lambda each: not each.is_selected):
        distances = np.hypot(*(zoom.to_device(person.xy) - (x, y)).T)
        if not np.isfinite(distances).any():
            continue
        joint = int(np.nanargmin(distances))
        if distances[joint] < best:
            best, found = distances[joint], (person.track_id, joint)
    return found


def person_at(
    people: list[PersonOverlay], zoom: Zoom, x: float, y: float, reach: float
) -> int | None:
    """Track id of the person at a device pixel: nearest bone, else the smallest box around it."""
    best, found = reach, None
    smallest, boxed = np.inf, None
    for person in people:
        points = zoom.to_device(person.xy) - (x, y)
        distance = _distance_to_bones(points)
        if distance < best:
            best, found = distance, person.track_id
        points = points[np.isfinite(points).all(axis=1)]
        if len(points) and (points.min(0) <= 0).all() and (points.max(0) >= 0).all():
            area = float(np.prod(np.ptp(points, axis=0)))
            if area < smallest:
                smallest, boxed = area, person.track_id
    return found if found is not None else boxed


def _distance_to_bones(points: np.ndarray) -> float:
    """Distance from the origin to the nearest bone of (17, 2) points; infinite if none is seen."""
    start, end = points[BONES[:, 0]], points[BONES[:, 1]]
    along = end - start
    length_squared = np.maximum((along**2).sum(1), 1e-12)
    share = np.clip(-(start * along).sum(1) / length_squared, 0.0, 1.0)
    distances = np.hypot(*(start + share[:, None] * along).T)
    return float(np.min(distances, initial=np.inf, where=np.isfinite(distances)))
