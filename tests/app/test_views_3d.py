"""The 3D view: geometry against the camera model, and real OpenGL windows."""

import gc
import subprocess
import sys
import weakref
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QImage, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget
from scipy.spatial.transform import Rotation

from app.views.body_mesh import body_mesh
from app.views.labels3d import LabelPainter
from app.views.orbit import Orbit, Window, project, to_scene
from app.views.scene3d import ANKLES, Extent, level_of
from app.views.segments import TRAIL_FRAMES, picture_border, trails, video_camera
from app.views.skeleton3d import PersonPoses3D, Skeleton3DView
from pose_core.camera import Camera
from pose_core.errors import ConfigError
from pose_core.skeleton import H36M_17

LEFT_BUTTON, MIDDLE_BUTTON = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
NUM_FRAMES = 60
# From level axes to those of a camera that looks down, and is turned about its line of sight.
TILTED = Rotation.from_euler("xz", [20, 6], degrees=True).as_matrix()


def walkers(xyz: np.ndarray, num_people: int = 1) -> list[PersonPoses3D]:
    """People side by side, the first one selected."""
    return [PersonPoses3D(i + 1, np.add(xyz, (0.9 * i, 0, 0)), i == 0) for i in range(num_people)]


def pixels(view: Skeleton3DView) -> np.ndarray:
    """(H, W, 3) int of what the view paints, OpenGL included."""
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


def oranges(image: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels in the colour of the left side, whatever the light."""
    red, green, blue = np.moveaxis(image, -1, 0)
    return (red > 120) & (green > 0.5 * red) & (green < 0.85 * red) & (blue < 0.3 * red)


def blues(image: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels in the colour of the right side."""
    red, green, blue = np.moveaxis(image, -1, 0)
    return (blue > 100) & (green < 0.8 * blue) & (red < 0.25 * blue)


def drag(view: Skeleton3DView, start: QPointF, end: QPointF, button=LEFT_BUTTON) -> None:
    for kind, at, pressed, held in (
        (QEvent.Type.MouseButtonPress, start, button, button),
        (QEvent.Type.MouseMove, (start + end) / 2, Qt.MouseButton.NoButton, button),
        (QEvent.Type.MouseMove, end, Qt.MouseButton.NoButton, button),
        (QEvent.Type.MouseButtonRelease, end, button, Qt.MouseButton.NoButton),
    ):
        where = QPointF(view.mapToGlobal(at.toPoint()))
        modifiers = Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(view, QMouseEvent(kind, at, where, pressed, held, modifiers))


def on_screen(view: Skeleton3DView, points: np.ndarray) -> np.ndarray:
    """Pixels of scene points."""
    size = view.width(), view.height()
    return project(points, view.orbit.matrix(size[0] / size[1]), *size)


@pytest.fixture
def view(qtbot, walker_xyz):
    """A view of 480 x 400 with a person who walks towards the camera."""
    view = Skeleton3DView()
    qtbot.addWidget(view)
    view.resize(480, 400)
    with qtbot.waitExposed(view):
        view.show()
    view.set_clip_length(NUM_FRAMES)
    view.set_camera(Camera.assumed(640, 480))
    view.set_poses(walkers(walker_xyz))
    view.set_frame(30)
    return view


@pytest.fixture
def gl_view(view):
    """The same, where OpenGL can be shown at all."""
    view.grab()
    if not view._scene.is_valid:
        pytest.skip("no OpenGL on this platform; run in a real window or Xvfb")
    return view


# ---- geometry ----


def test_scene_axes_are_right_ahead_and_up():
    scene = to_scene(np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]))
    assert np.array_equal(scene, [[1, 0, 0], [0, 0, -1], [0, 1, 0]])


@pytest.mark.parametrize("level", [np.eye(3), TILTED.T], ids=["level", "tilted"])
@pytest.mark.parametrize("centre", [None, (250.0, 301.5)])
def test_camera_preset_sees_exactly_what_the_camera_sees(view, walker_xyz, centre, level):
    """In a view as wide as the picture, scaled; in another, with room on two sides."""
    camera = Camera(640, 480, 512.5, centre)
    view.set_camera(camera)
    view.set_view_preset("camera")
    view.set_poses(walkers(walker_xyz), level)  # the eye follows the camera
    expected = camera.project(walker_xyz[30])
    for size, scale, shift in (
        ((640, 480), 1.0, (0, 0)),
        ((1280, 960), 2.0, (0, 0)),
        ((640, 680), 1.0, (0, 100)),
        ((900, 480), 1.0, (130, 0)),
    ):
        matrix = view.orbit.matrix(size[0] / size[1])
        seen = project(to_scene(walker_xyz[30], level), matrix, *size)
        assert seen == pytest.approx(expected * scale + shift, abs=1e-6)


def test_people_before_a_tilted_camera_walk_on_the_ground(walker_xyz):
    upright = np.tile(walker_xyz, (3, 1, 1))
    tilted = walkers(upright @ TILTED.T)
    level = level_of(tilted)
    levelled = [replace(person, level=level) for person in tilted]
    for people, is_hill in ((tilted, True), (levelled, False)):
        lower_foot = people[0].scene_xyz(slice(None))[:, ANKLES, 2].min(axis=1)
        assert (np.ptp(lower_foot) > 0.3) == is_hill
    ground_z = Extent.of(walkers(upright)).ground_z
    assert Extent.of(levelled).ground_z == pytest.approx(ground_z, abs=0.1)


def test_scene_keeps_the_axes_of_the_camera_where_nobody_shows_what_is_up(walker_xyz):
    lying = Rotation.from_euler("x", 70, degrees=True).as_matrix()
    unknown = np.full((NUM_FRAMES, 17, 3), np.nan)
    for xyz in (walker_xyz @ lying.T, unknown, walker_xyz[:2]):
        assert np.array_equal(level_of(walkers(xyz)), np.eye(3))
    assert np.array_equal(level_of([]), np.eye(3))
    # Somebody else who stands is asked instead.
    standing = PersonPoses3D(2, walker_xyz @ TILTED.T, False)
    others = [PersonPoses3D(1, walker_xyz @ lying.T, True), standing]
    assert np.array_equal(level_of(others), level_of([standing]))
    assert not np.array_equal(level_of([standing]), np.eye(3))


def test_drawn_video_camera_tilts_with_the_scene_and_its_stand_does_not():
    camera = Camera.assumed(640, 480)
    grey = (0.5, 0.5, 0.5)
    border = picture_border(camera, grey, TILTED.T).ends[:, 0]
    ahead = to_scene(np.array([0.0, 0.0, 1.0]), TILTED.T)
    assert ahead[2] == pytest.approx(-np.sin(np.deg2rad(20)), abs=0.01)  # looks down
    middle = border.mean(axis=0)
    assert middle / np.linalg.norm(middle) == pytest.approx(ahead)
    drawn = video_camera(camera, -1.5, grey, TILTED.T).ends
    stand = drawn[(drawn[:, 0] == 0).all(axis=1) & (drawn[:, 1, 2] == -1.5)]
    assert stand[0, 1] == pytest.approx([0, 0, -1.5])


def test_a_drag_out_of_the_view_of_a_tilted_camera_is_upright_again(view, walker_xyz):
    view.set_poses(walkers(walker_xyz), TILTED.T)
    view.set_view_preset("camera")
    assert abs(view.orbit.axes[0, 2]) > 0.05
    drag(view, QPointF(200, 200), QPointF(210, 200))
    assert view.orbit.axes[0, 2] == 0


@pytest.mark.parametrize(
    ("preset", "right", "up"),
    [
        ("front", [1, 0, 0], [0, 0, 1]),
        ("side", [0, 1, 0], [0, 0, 1]),
        ("top", [1, 0, 0], [0, 1, 0]),
    ],
)
def test_presets_look_along_the_axes(view, preset, right, up):
    view.set_view_preset(preset)
    assert view.orbit.axes == pytest.approx(np.array([right, up, np.cross(right, up)]), abs=1e-9)
    middle = view.orbit.target
    points = np.array([middle, middle + np.array(right) / 2, middle + np.array(up) / 2])
    centre, to_right, above = on_screen(view, points)
    assert centre == pytest.approx([240, 200])
    assert to_right[0] > centre[0] + 20
    assert above[1] < centre[1] - 20


def test_presets_and_reset_bring_everybody_into_view(view, walker_xyz):
    for bring in (
        view.reset_view,
        *(lambda p=p: view.set_view_preset(p) for p in ("front", "side", "top")),
    ):
        bring()
        seen = on_screen(view, to_scene(walker_xyz))
        assert seen.min() > 0
        assert (seen.max(axis=(0, 1)) < (480, 400)).all()
    with pytest.raises(ConfigError, match="nowhere"):
        view.set_view_preset("nowhere")


def test_orbit_axes_are_a_right_handed_frame_from_everywhere():
    for azimuth in (-170.0, -30.0, 0.0, 95.0):
        for elevation in (-90.0, -20.0, 45.0, 90.0):
            axes = Orbit(azimuth_deg=azimuth, elevation_deg=elevation).axes
            assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-12)
            assert np.linalg.det(axes) == pytest.approx(1)
    assert Window().widened(2.0).right == pytest.approx(2 * Window().right)


def test_ground_is_under_the_standing_foot_whatever_a_few_frames_say(walker_xyz):
    ankles = [H36M_17.index("left_ankle"), H36M_17.index("right_ankle")]
    lowest = to_scene(walker_xyz)[:, ankles, 2].min()
    long = np.tile(walker_xyz, (20, 1, 1))
    clean = Extent.of(walkers(long))
    assert lowest - 0.09 < clean.ground_z < lowest  # 8 cm under an ankle that stands
    long[[5, 77]] += (0, 3.0, 0)  # metres underground
    long[100:130] = np.nan
    assert Extent.of(walkers(long)).ground_z == pytest.approx(clean.ground_z, abs=0.01)
    assert Extent.of(walkers(np.full((9, 17, 3), np.nan))) is None
    assert Extent.of([]) is None


def test_body_is_made_of_closed_joints_that_face_outwards(walker_xyz):
    pose = to_scene(walker_xyz[:1])
    mesh = body_mesh(pose)
    corners = mesh.positions[mesh.faces].astype(float)
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = mesh.normals[mesh.faces].mean(axis=1)
    assert (np.einsum("fc,fc->f", facing, normals) > 0).all()
    assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1, abs=1e-5)
    pose[0, H36M_17.index("left_wrist")] = np.nan
    smaller = body_mesh(pose)
    assert np.isfinite(smaller.positions).all()
    # A ball of 128 and a bone of 16 triangles are gone.
    assert len(mesh.faces) - len(smaller.faces) == 128 + 16
    assert len(body_mesh(np.full((3, 17, 3), np.nan)).faces) == 0


def test_trails_end_at_the_present_and_have_gaps_where_joints_are_missing(walker_xyz):
    path = to_scene(walker_xyz[:20])
    whole = trails(path)
    assert len(whole.ends) == 5 * 19
    assert whole.colours[:, 1, 3].max() == pytest.approx(0.85)
    assert (whole.colours[:, 1, 3] > whole.colours[:, 0, 3]).all()
    path[7, H36M_17.index("pelvis")] = np.nan
    assert len(trails(path).ends) == 5 * 19 - 2
    assert len(trails(path[:1]).ends) == 0
    assert TRAIL_FRAMES == 60


# ---- mouse, following ----


def test_left_drag_orbits_and_the_wheel_comes_nearer(view):
    before = view.orbit
    drag(view, QPointF(200, 200), QPointF(250, 180))
    assert view.orbit.azimuth_deg == pytest.approx(before.azimuth_deg - 20)
    assert view.orbit.elevation_deg == pytest.approx(before.elevation_deg - 8)
    assert view.orbit.target == pytest.approx(before.target)
    drag(view, QPointF(200, 50), QPointF(200, 9000))
    assert view.orbit.elevation_deg == 90
    where = QPointF(view.mapToGlobal(QPoint(100, 100)))
    event = QWheelEvent(
        *(QPointF(100, 100), where, QPoint(), QPoint(0, 240), Qt.MouseButton.NoButton),
        *(Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False),
    )
    QApplication.sendEvent(view, event)
    assert view.orbit.distance_m == pytest.approx(before.distance_m / 1.15**2)


def test_middle_drag_moves_the_scene_with_the_mouse(view):
    target = view.orbit.target
    before = on_screen(view, target)
    drag(view, QPointF(200, 200), QPointF(263, 141), MIDDLE_BUTTON)
    assert on_screen(view, target) - before == pytest.approx([63, -59])


def test_following_keeps_the_person_in_place_also_over_gaps(view, walker_xyz):
    gap = walker_xyz.copy()
    gap[35:40] = np.nan
    view.set_poses(walkers(gap))
    view.set_follow(True)
    pelvis = to_scene(gap)[:, 0]
    here = on_screen(view, pelvis[30] * (1, 1, 0))
    for frame in (31, 37, 45, 10):
        view.set_frame(frame)
        if np.isfinite(pelvis[frame]).all():
            assert on_screen(view, pelvis[frame] * (1, 1, 0)) == pytest.approx(here, abs=1e-6)
    view.set_follow(False)
    before = view.orbit.target
    view.set_frame(50)
    assert view.orbit.target == pytest.approx(before)


def test_new_poses_leave_a_chosen_view_alone(view, walker_xyz):
    drag(view, QPointF(200, 200), QPointF(250, 180))
    chosen = view.orbit
    view.set_poses(walkers(walker_xyz + 0.3))
    assert view.orbit is chosen
    view.set_clip_length(NUM_FRAMES)
    view.set_poses(walkers(walker_xyz))
    assert view.orbit is not chosen


# ---- painting ----


def test_left_is_orange_and_right_is_blue_on_their_sides(gl_view):
    """The person faces the camera, so the own left side is at the right of the picture."""
    gl_view.set_trails(False)
    gl_view.set_view_preset("front")
    image = pixels(gl_view)[:350]  # without the legend
    orange, blue = np.argwhere(oranges(image)), np.argwhere(blues(image))
    assert len(orange) > 150
    assert len(blue) > 150
    assert orange[:, 1].mean() > blue[:, 1].mean() + 5


def test_skeleton_is_painted_where_its_joints_are(gl_view, walker_xyz):
    gl_view.set_trails(False)
    for preset in ("front", "side", "camera"):
        gl_view.set_view_preset(preset)
        image = pixels(gl_view)
        ratio = gl_view.devicePixelRatioF()
        for name, is_there in (("left_wrist", oranges), ("right_ankle", blues)):
            joint = to_scene(walker_xyz[30, H36M_17.index(name)])
            x, y = (on_screen(gl_view, joint) * ratio).astype(int)
            assert is_there(image)[y - 2 : y + 3, x - 2 : x + 3].any(), (preset, name)


def test_levelled_people_ghosts_and_legend_are_painted(gl_view, walker_xyz):
    gl_view.set_trails(False)
    gl_view.set_view_preset("front")
    legend = (slice(-26, None), slice(100, None))
    plain = pixels(gl_view)
    tilted = walker_xyz @ TILTED.T
    gl_view.set_poses(walkers(tilted), TILTED.T)
    levelled = pixels(gl_view)
    joint = to_scene(tilted[30, H36M_17.index("left_wrist")], TILTED.T)
    x, y = (on_screen(gl_view, joint) * gl_view.devicePixelRatioF()).astype(int)
    assert oranges(levelled)[y - 2 : y + 3, x - 2 : x + 3].any()
    assert not np.array_equal(levelled[legend], plain[legend])  # says that it was levelled
    # A ghost of the same pose lies within the body.
    gl_view.set_ghost([tilted[30]])
    same = pixels(gl_view)
    gl_view.set_ghost([walker_xyz[30]])
    other = pixels(gl_view)
    assert (same != levelled).any(-1).sum() < (other != levelled).any(-1).sum() / 3


def test_trails_ghosts_and_theme_change_the_picture(gl_view, walker_xyz):
    gl_view.set_trails(False)
    bare = pixels(gl_view)
    gl_view.set_trails(True)
    assert oranges(pixels(gl_view)).sum() > oranges(bare).sum()
    gl_view.set_trails(False)
    assert np.array_equal(pixels(gl_view), bare)
    gl_view.set_ghost([walker_xyz[30] + (0.5, 0, 0)])
    assert not np.array_equal(pixels(gl_view), bare)
    gl_view.set_ghost(None)
    assert np.array_equal(pixels(gl_view), bare)
    assert bare[2, 2].max() < 60
    gl_view.set_theme(dark=False)
    light = pixels(gl_view)
    assert light[2, 2].min() > 200
    assert oranges(light).sum() > 100


@pytest.fixture
def words(monkeypatch) -> dict[str, QRectF]:
    """What is written in the view, and where."""
    written = {}
    write = LabelPainter._word

    def record(painter: LabelPainter, pixel: np.ndarray, text: str, opacity: float) -> None:
        written[text] = painter._place(pixel, text)
        write(painter, pixel, text, opacity)

    monkeypatch.setattr(LabelPainter, "_word", record)
    return written


def test_titles_of_axes_do_not_lie_on_people_or_numbers(gl_view, walker_xyz, words):
    gl_view.set_poses(walkers(np.tile(walker_xyz[30:31], (NUM_FRAMES, 1, 1))))
    gl_view.reset_view()
    parents, children = np.array(H36M_17.bones).T
    shares = np.linspace(0, 1, 20)[:, None, None]
    points = walker_xyz[30, parents] * (1 - shares) + walker_xyz[30, children] * shares
    num_titles = 0
    for azimuth in range(-180, 180, 12):
        gl_view._look(replace(gl_view.orbit, azimuth_deg=azimuth))
        words.clear()
        gl_view.grab()
        body = on_screen(gl_view, to_scene(points)).reshape(-1, 2)
        titles = {text: rect for text, rect in words.items() if "(m" in text}
        num_titles += len(titles)
        for text, rect in titles.items():
            hidden = [rect.contains(QPointF(*pixel)) for pixel in body]
            assert not any(hidden), (azimuth, text)
            others = [other.adjusted(0, 4, 0, -4) for word, other in words.items() if word != text]
            assert not any(rect.intersects(other) for other in others), (azimuth, text)
    assert num_titles > 40


def test_nothing_is_written_where_a_widget_is_in_the_corner(gl_view, words):
    gl_view.grab()
    corner = QWidget()
    gl_view.set_corner(corner)
    corner.resize(230, 180)
    gl_view.reset_view()
    gl_view.grab()
    taken = QRectF(corner.geometry())
    assert any(rect.intersects(taken) for rect in words.values())  # it is hidden yet
    words.clear()
    corner.show()
    gl_view.grab()
    assert not any(rect.intersects(taken) for rect in words.values())
    assert "height (m)" in words


def test_missing_poses_are_left_out(gl_view, walker_xyz):
    part = walker_xyz.copy()
    part[:, ::3] = np.nan
    part[40:] = np.nan
    gl_view.set_poses(walkers(part))
    gl_view.set_trails(False)
    assert oranges(pixels(gl_view)[:350]).any()
    gl_view.set_frame(45)
    nobody = pixels(gl_view)
    assert not oranges(nobody[:350]).any()
    assert nobody[: len(nobody) // 8].max() > 200  # it says that nobody is there
    gl_view.set_poses(walkers(np.full((NUM_FRAMES, 17, 3), np.nan)))
    gl_view.set_frame(1000)
    gl_view.set_frame(-1)
    empty = pixels(gl_view)
    assert not oranges(empty).any()
    gl_view.set_clip_length(0)
    assert not np.array_equal(pixels(gl_view), empty)  # asks for a video now


def test_ten_people_are_all_painted(gl_view, walker_xyz):
    people = walkers(walker_xyz, 10)
    gl_view.set_trails(False)
    gl_view.set_poses(people)
    gl_view.reset_view()
    everybody = pixels(gl_view)
    hidden = [PersonPoses3D(p.track_id, p.camera_xyz * np.nan, p.is_selected) for p in people[1:]]
    gl_view.set_poses([people[0], *hidden])
    only_first = pixels(gl_view)
    for person in people[1:]:
        wrist = to_scene(person.camera_xyz[30, H36M_17.index("left_wrist")])
        x, y = (on_screen(gl_view, wrist) * gl_view.devicePixelRatioF()).astype(int)
        around = (slice(y - 2, y + 3), slice(x - 2, x + 3))
        assert not np.array_equal(everybody[around], only_first[around])


def test_picture_survives_docking_and_floating(qtbot, walker_xyz):
    window = QMainWindow()
    qtbot.addWidget(window)
    dock = QDockWidget("3D")
    view = Skeleton3DView()
    dock.setWidget(view)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    window.resize(700, 500)
    with qtbot.waitExposed(window):
        window.show()
    view.set_clip_length(NUM_FRAMES)
    view.set_poses(walkers(walker_xyz))
    view.set_frame(20)
    view.grab()
    if not view._scene.is_valid:
        pytest.skip("no OpenGL on this platform; run in a real window or Xvfb")
    for is_floating in (False, True, False):
        dock.setFloating(is_floating)
        qtbot.waitUntil(lambda: oranges(pixels(view)[:350]).sum() > 100, timeout=5000)


def test_view_is_gone_with_its_last_reference(qtbot, walker_xyz):
    """By counting references: the garbage collector may run while another view is painted."""
    view = Skeleton3DView()
    view.set_clip_length(NUM_FRAMES)
    view.set_poses(walkers(walker_xyz))
    with qtbot.waitExposed(view):
        view.show()
    view.grab()
    known = weakref.ref(view)
    gc.collect()
    gc.disable()
    try:
        del view
        assert known() is None
    finally:
        gc.enable()


def test_vispy_is_imported_only_when_a_view_is_built():
    code = "import sys, app.views.skeleton3d; sys.exit('vispy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_messages_of_qt_still_reach_the_application():
    """Vispy takes them for itself when it is imported."""
    code = (
        "from PySide6.QtCore import qInstallMessageHandler, qWarning\n"
        "from PySide6.QtWidgets import QApplication\n"
        "application, heard = QApplication([]), []\n"
        "qInstallMessageHandler(lambda kind, context, text: heard.append(text))\n"
        "import app.views.gl_scene\n"
        "qWarning('hello')\n"
        "raise SystemExit('hello' not in heard)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
