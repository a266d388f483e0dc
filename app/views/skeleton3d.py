"""The people of the clip in 3D, over a ground grid, seen from anywhere."""

import math
from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from app.views.body_mesh import Mesh, body_mesh
from app.views.labels3d import LabelPainter
from app.views.orbit import LEVEL, Orbit, Window, project, to_scene
from app.views.paint import draw_empty_state, draw_pill
from app.views.scene3d import (
    Extent,
    PersonPoses3D,
    bodies_at,
    body_points,
    edited_points,
    pose_at,
    position_at,
    trails_at,
)
from app.views.segments import Segments, arrows, cages, picture_border, shadows, video_camera
from pose_core.camera import Camera
from pose_core.errors import ConfigError
from pose_core.levelling import tilt_deg
from pose_core.palette import TRUTH

WHEEL_FACTOR = 1.15
# Azimuth and elevation, degrees.
RESET_ANGLES = (-32.0, 14.0)
PRESETS = {"front": (0.0, 0.0), "side": (90.0, 0.0), "top": (0.0, 90.0), "camera": (0.0, 0.0)}
GHOST_THICKNESS = 0.8
TRUTH_RGB = (TRUTH[0] / 255, TRUTH[1] / 255, TRUTH[2] / 255)
CORNER_PX = 10
FRAMING = 1.1  # room around what is brought into view
FOLLOWED_RADIUS_M = 1.1
LABEL_MARGIN_M = 0.35  # numbers stand on the grid lines that are this far from the people
Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Theme:
    """Colours around the people; theirs are data and do not change."""

    background: Rgb
    ink: Rgb
    shadow: Rgb


DARK = Theme((0.125, 0.133, 0.148), (0.80, 0.83, 0.87), (0.075, 0.080, 0.090))
LIGHT = Theme((0.925, 0.933, 0.945), (0.20, 0.23, 0.28), (0.79, 0.80, 0.82))


class Skeleton3DView(QWidget):
    """Orbit with the left button, pan with the middle one (or Shift and left), zoom by wheel.

    Poses come in camera coordinates (x right, y down, z forward, metres); the video camera
    stands at the origin.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        # Imports vispy, which takes a while: only when there is a view to show.
        from app.views.gl_scene import GlScene  # noqa: PLC0415

        self._num_frames = 0
        self._frame = 0
        self._people: list[PersonPoses3D] = []
        self._extent: Extent | None = None
        self._body_points = np.zeros((0, 3))
        self._camera: Camera | None = None
        self._level = LEVEL
        self._ghost: list[np.ndarray] = []
        self._arrows = np.zeros((0, 2, 3))
        self._truth: np.ndarray | None = None
        self._corner: QWidget | None = None
        self._sign = QRectF()
        self._has_trails = True
        self._is_following = False
        self._followed_at: np.ndarray | None = None
        self._is_at_camera = False
        self._orbit = Orbit()
        self._theme = DARK
        self._stale = {"floor", "people"}
        self._pressed_at: QPointF | None = None
        self._scene = GlScene()
        self._image = QImage()
        self._is_image_stale = True
        self._words, self._words_state = QPixmap(), ()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setMinimumSize(200, 160)
        self.setAccessibleName("3D view")

    def sizeHint(self) -> QSize:
        return QSize(560, 460)

    # ---- what to show ----

    def set_clip_length(self, num_frames: int) -> None:
        """Start with another clip of so many frames, without people; 0: no clip."""
        self._num_frames = num_frames
        self._frame = 0
        self._people, self._ghost, self._truth = [], [], None
        self._arrows = np.zeros((0, 2, 3))
        self._extent = None
        self._followed_at = None
        self._redraw("floor", "people")

    def set_poses(self, people: list[PersonPoses3D], level: np.ndarray = LEVEL) -> None:
        """Show these people; the first that come after `set_clip_length` are brought into view.

        Parameters
        ----------
        people : list of PersonPoses3D
        level : (3, 3) ndarray
            Rotation from the camera's axes to those of a level camera: the whole scene is turned
            by it, video camera included.
        """
        is_first = self._extent is None
        self._level = level
        self._people = [replace(person, level=level) for person in people]
        self._extent = Extent.of(self._people)
        self._body_points = body_points(self._people)
        if is_first and self._extent is not None:
            self.reset_view()
        elif self._is_at_camera:
            self.set_view_preset("camera")  # which may be tilted in another way now
        self._follow()
        self._redraw("floor", "people")

    def change_poses(self, people: list[PersonPoses3D]) -> None:
        """Show the same people with other poses in a few frames: the scene around them stays."""
        self._people = [replace(person, level=self._level) for person in people]
        self._follow()
        self._redraw("people")

    def set_frame(self, frame: int) -> None:
        """Show everybody at a frame."""
        self._frame = frame
        self._follow()
        self._redraw("people")

    def set_camera(self, camera: Camera | None) -> None:
        """Show where the video camera stands and what it sees; None hides it."""
        self._camera = camera
        self._redraw("floor")

    def set_ghost(self, poses: list[np.ndarray] | None) -> None:
        """Show more poses faintly, such as those of another stage at this frame.

        Parameters
        ----------
        poses : list of (17, 3) ndarray, or None
            Camera coordinates, metres.
        """
        self._ghost = list(poses or [])
        self._redraw("people")

    def set_arrows(self, ends: np.ndarray | None) -> None:
        """Show arrows (N, 2, 3) from the first to the second point; camera coordinates, metres."""
        self._arrows = np.zeros((0, 2, 3)) if ends is None else ends
        self._redraw("people")

    def set_preview(self, camera_xyz: np.ndarray | None) -> None:
        """Show the selected person in another pose (17, 3), in this frame and until told else."""
        preview = None if camera_xyz is None else (self._frame, camera_xyz)
        self._people = [
            replace(person, preview=preview) if person.is_selected else person
            for person in self._people
        ]
        self._redraw("people")

    @property
    def level(self) -> np.ndarray:
        """(3, 3) rotation from the camera's axes to those of a level camera."""
        return self._level

    def set_truth(self, camera_xyz: np.ndarray | None) -> None:
        """Show the true pose of each frame (T, 17, 3) faintly; camera coordinates, metres."""
        self._truth = camera_xyz
        self._redraw("people")

    def set_corner(self, widget: QWidget) -> None:
        """Keep a small widget in the upper left corner."""
        self._corner = widget
        widget.setParent(self)
        widget.move(CORNER_PX, CORNER_PX)
        widget.installEventFilter(self)

    @property
    def corner(self) -> QRectF:
        """What the widget in the upper left corner covers; empty where there is none."""
        if self._corner is None or self._corner.isHidden():
            return QRectF()
        return QRectF(self._corner.geometry())

    def set_sign(self, area: QRectF) -> None:
        """Write nothing in a part of the view; an empty one gives it free."""
        if area != self._sign:
            self._sign = area
            self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Write around what is in the corner."""
        if event.type() in (QEvent.Type.Show, QEvent.Type.Hide, QEvent.Type.Resize):
            self.update()
        return super().eventFilter(watched, event)

    def set_trails(self, are_visible: bool) -> None:
        """Show the paths of the selected person's wrists, ankles and pelvis, or do not."""
        self._has_trails = are_visible
        self._redraw("people")

    def set_theme(self, dark: bool) -> None:
        """Choose the colours around the people."""
        self._theme = DARK if dark else LIGHT
        self._redraw("floor", "people")

    # ---- from where ----

    @property
    def orbit(self) -> Orbit:
        """Where the eye is; scene coordinates: x right, y away from the video camera, z up."""
        return self._orbit

    def set_follow(self, is_following: bool) -> None:
        """Keep the selected person, or the first one, where it is in the view."""
        self._is_following = is_following
        self._followed_at = None
        position = self._followed_position()
        if is_following and position is not None:
            target = np.array([*position[:2], self._orbit.target[2]])
            self._look(replace(self._orbit, target=target))
            self._followed_at = position

    def reset_view(self) -> None:
        """Look at all the people, or the followed one, from a little to the side and above."""
        self._look(self._framed(*RESET_ANGLES))

    def set_view_preset(self, name: str) -> None:
        """Look from the front, the side, the top, or exactly as the video camera does.

        Raises
        ------
        ConfigError
            If there is no preset of this name.
        """
        if name not in PRESETS:
            raise ConfigError(f"No view {name!r}.", f"There are: {', '.join(PRESETS)}.")
        self._look(self._framed(*PRESETS[name]))
        if name == "camera":
            # The eye is at the origin; the target is as far ahead as the people are.
            distance = max(float(self._focus()[0][1]), 1.0)
            window = Window.of_camera(self._camera) if self._camera else Window()
            orbit = Orbit.of_video_camera(self._level, distance, window)
            self._look(orbit, is_at_camera=True)

    def _look(self, orbit: Orbit, is_at_camera: bool = False) -> None:
        self._orbit = orbit
        if is_at_camera != self._is_at_camera:
            self._is_at_camera = is_at_camera
            self._redraw("floor")  # of the video camera only the picture's border is seen from it
        self._redraw()

    def _focus(self) -> tuple[np.ndarray, float]:
        """What to bring into view: a centre and a radius, metres."""
        position = self._followed_position() if self._is_following else None
        if position is not None and self._extent is not None:
            middle = self._extent.ground_z + 0.9
            return np.array([*position[:2], middle]), FOLLOWED_RADIUS_M
        if self._extent is not None:
            return self._extent.centre, self._extent.radius
        return np.array([0.0, 4.0, -0.5]), 1.5

    def _framed(self, azimuth_deg: float, elevation_deg: float) -> Orbit:
        centre, radius = self._focus()
        window = Window()
        distance = FRAMING * radius / math.sin(math.atan(window.top))
        return Orbit(centre, azimuth_deg, elevation_deg, distance, window)

    def _followed_position(self) -> np.ndarray | None:
        people = sorted(self._people, key=lambda person: not person.is_selected)
        return position_at(people[0], self._frame) if people else None

    def _follow(self) -> None:
        """Move along, on the ground plane, as far as the followed person moved."""
        position = self._followed_position() if self._is_following else None
        if position is None:
            return  # stay where we are until the person is back
        if self._followed_at is not None and not self._is_at_camera:
            moved = (position - self._followed_at) * (1, 1, 0)
            self._orbit = replace(self._orbit, target=self._orbit.target + moved)
        self._followed_at = position

    # ---- drawing ----

    def _redraw(self, *stale: str) -> None:
        self._stale.update(stale)
        self._is_image_stale = True
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        ratio = self.devicePixelRatioF()
        size = self.size() * ratio
        with QPainter(self) as painter:
            image = self._scene_image(size, ratio)
            if image.isNull():
                painter.fillRect(self.rect(), self.palette().window())
            painter.drawImage(0, 0, image)
            painter.drawPixmap(0, 0, self._words_picture(size, ratio))

    def _scene_image(self, size: QSize, ratio: float) -> QImage:
        """The scene; drawn anew only where it is another one."""
        if self._scene.is_valid and (self._is_image_stale or self._image.size() != size):
            self._prepare()
            self._image = self._scene.image(self._orbit, self._theme.background, size, ratio)
            self._is_image_stale = False
        return self._image

    def _words_picture(self, size: QSize, ratio: float) -> QPixmap:
        """The words over the scene. Qt's text is sharper than any drawn with OpenGL.

        They change far less often than what is below them.
        """
        state = (*self._words_depend_on(), size, ratio, self.font(), self.palette().cacheKey())
        if state != self._words_state:
            self._words_state = state
            self._words = QPixmap(size)
            self._words.setDevicePixelRatio(ratio)
            self._words.fill(Qt.GlobalColor.transparent)
            with QPainter(self._words) as painter:
                painter.setFont(self.font())
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                self._paint_words(painter)
        return self._words

    def _prepare(self) -> None:
        """Give the scene what has changed since the last drawing."""
        if "floor" in self._stale:
            self._scene.floor.set(self._floor())
        if "people" in self._stale:
            self._scene.bodies.set(bodies_at(self._people, self._frame, self._theme.background))
            self._scene.lines.set(self._lines())
            self._scene.ghost.set(self._ghosts())
            self._scene.truth.set(self._true_body())
        self._stale = set()

    def _ghosts(self) -> Mesh:
        if not self._ghost:
            return Mesh.joined([])
        return body_mesh(to_scene(np.stack(self._ghost), self._level), GHOST_THICKNESS)

    def _true_body(self) -> Mesh:
        if self._truth is None or not 0 <= self._frame < len(self._truth):
            return Mesh.joined([])
        pose = to_scene(self._truth[self._frame][None], self._level)
        return body_mesh(pose, GHOST_THICKNESS, colour=TRUTH_RGB)

    def _floor(self) -> Segments:
        if self._extent is None:
            return Segments.joined([])
        parts = [self._extent.grid().lines(self._theme.ink, 0.34)]
        if self._camera is not None and self._is_at_camera:
            parts.append(picture_border(self._camera, self._theme.ink, self._level))
        elif self._camera is not None:
            ground_z, ink = self._extent.ground_z, self._theme.ink
            parts.append(video_camera(self._camera, ground_z, ink, self._level))
        return Segments.joined(parts)

    def _lines(self) -> Segments:
        if self._extent is None:
            return Segments.joined([])
        poses = np.stack([pose_at(person, self._frame) for person in self._people])
        parts = [shadows(poses, self._extent.ground_z, self._theme.shadow)]
        if self._has_trails:
            parts.append(trails_at(self._people, self._frame))
        parts.append(cages(edited_points(self._people, self._frame), self._theme.ink))
        if len(self._arrows):
            starts, stops = to_scene(self._arrows, self._level).swapaxes(0, 1)
            parts.append(arrows(starts, stops, self._theme.ink))
        return Segments.joined(parts)

    def _words_depend_on(self) -> tuple:
        """All that the words depend on, beside size and letters."""
        # The words of a single person stay where they are.
        numbered = (self._frame, *self._people) if len(self._people) > 1 else ()
        return (
            self._scene.is_valid,
            self._num_frames,
            self._extent,  # made anew with the poses
            self._orbit,
            self._camera is None,
            self._camera is not None and self._camera.is_estimated,
            self._is_at_camera,
            self._theme,
            self._truth is None,
            self._is_frame_empty(),
            self.corner,
            self._sign,
            numbered,
        )

    def _paint_words(self, painter: QPainter) -> None:
        """Paint labels, or what is missing, over the scene."""
        if not self._scene.is_valid:
            hint = "posestage doctor says what is missing."
            draw_empty_state(painter, self, "The 3D view needs OpenGL 2.1", hint)
        elif self._num_frames == 0:
            draw_empty_state(painter, self, "No video yet", "Its people will appear here in 3D.")
        elif self._extent is None:
            hint = "Press Estimate: the people of this video are here in 3D when it is done."
            draw_empty_state(painter, self, "No 3D poses yet", hint)
        else:
            self._paint_labels(painter, self._extent)

    def _paint_labels(self, painter: QPainter, extent: Extent) -> None:
        ink = QColor.fromRgbF(*self._theme.ink)
        size = self.width(), self.height()
        labels = LabelPainter(painter, self._orbit, *size, ink, self.corner, self._sign)
        is_estimated = self._camera is not None and self._camera.is_estimated
        labels.keep_clear(self._body_points)
        labels.ground(extent.ground(LABEL_MARGIN_M), is_estimated)
        labels.heights(extent.low, extent.high, extent.ground_z)
        labels.titles()
        if self._camera is not None and not self._is_at_camera:
            labels.video_camera()
        if len(self._people) > 1:
            labels.numbers(self._people, self._frame)
        labels.legend(tilt_deg(self._level), self._truth is not None)
        if self._is_frame_empty():
            is_top = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
            is_above = self._sign.center().y() < self.height() / 2
            top = max(self.corner.bottom(), self._sign.bottom() if is_above else 0.0)
            place = QPointF(self.width() / 2, top + CORNER_PX)
            draw_pill(painter, "nobody in this frame", place, is_top)

    def _is_frame_empty(self) -> bool:
        return all(position_at(person, self._frame) is None for person in self._people)

    # ---- mouse ----

    def scene_pose(self, track_id: int) -> np.ndarray | None:
        """(17, 3) scene coordinates of a person as shown, NaN where missing; None for others."""
        found = next((each for each in self._people if each.track_id == track_id), None)
        return None if found is None else pose_at(found, self._frame)

    def joint_at(self, position: QPointF, reach: float) -> tuple[int, int] | None:
        """Track id and joint nearest to a point of the view, within `reach` logical pixels."""
        width, height = self.width(), self.height()
        matrix = self._orbit.matrix(width / height)
        point = (position.x(), position.y())
        near = []
        for person in self._people:
            pixels = project(pose_at(person, self._frame), matrix, width, height)
            distances = np.hypot(*(pixels - point).T)
            near += [(d, person.track_id, i) for i, d in enumerate(distances) if d <= reach]
        return min(near)[1:] if near else None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed_at = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed_at is None:
            return
        moved = event.position() - self._pressed_at
        self._pressed_at = event.position()
        is_left = bool(event.buttons() & Qt.MouseButton.LeftButton)
        is_shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if is_left and not is_shifted:
            self._look(self._orbit.turned(moved.x(), moved.y()))
        elif is_left or event.buttons() & Qt.MouseButton.MiddleButton:
            self._look(self._orbit.panned(moved.x(), moved.y(), self.width(), self.height()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if not event.buttons():
            self._pressed_at = None

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._look(self._orbit.nearer(WHEEL_FACTOR ** (event.angleDelta().y() / 120)))
        event.accept()
