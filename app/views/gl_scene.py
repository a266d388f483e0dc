"""Draws lit triangles and smooth lines of any width with OpenGL, off the screen.

Off the screen, because one OpenGL widget makes Qt put the whole window together with OpenGL each
time that any widget in it is painted. Without a graphics card that takes longer than all the rest:
30 ms for a label. Reading a picture back takes a few.

Importing this module imports vispy; the 3D view does so when it is built.
"""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QSize
from PySide6.QtGui import (
    QImage,
    QOffscreenSurface,
    QOpenGLContext,
    QSurfaceFormat,
)
from PySide6.QtOpenGL import QOpenGLFramebufferObject, QOpenGLFramebufferObjectFormat
from vispy import gloo
from vispy.gloo.context import FakeCanvas, set_current_canvas

from app.views.body_mesh import Mesh
from app.views.orbit import Orbit
from app.views.segments import Segments

GHOST_OPACITY, TRUTH_OPACITY = 0.35, 0.6
SAMPLES = 4  # points per pixel, for smooth edges
SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swiftshader", "software")

_MESH_VERTEX = """
uniform mat4 u_matrix;
uniform vec3 u_eye;
attribute vec3 a_position;
attribute vec3 a_normal;
attribute vec3 a_colour;
varying vec3 v_normal;
varying vec3 v_to_eye;
varying vec3 v_colour;
void main() {
    v_normal = a_normal;
    v_to_eye = u_eye - a_position;
    v_colour = a_colour;
    gl_Position = u_matrix * vec4(a_position, 1.0);
}
"""

# Light from above and from the eye, and darker where the surface turns away: a thin outline.
_MESH_FRAGMENT = """
uniform vec3 u_light;
uniform float u_opacity;
varying vec3 v_normal;
varying vec3 v_to_eye;
varying vec3 v_colour;
void main() {
    vec3 normal = normalize(v_normal);
    float facing = abs(dot(normal, normalize(v_to_eye)));
    float lit = 0.58 + 0.3 * dot(normal, u_light) + 0.22 * facing;
    float rim = smoothstep(0.0, 0.42, facing);
    gl_FragColor = vec4(v_colour * lit * mix(0.45, 1.0, rim), u_opacity);
}
"""

# Each segment is four corners that the shader moves apart on the screen. A segment that passes
# the eye is cut off just before it.
_LINE_VERTEX = """
uniform mat4 u_matrix;
uniform vec2 u_viewport;
uniform float u_pixel_ratio;
attribute vec3 a_start;
attribute vec3 a_end;
attribute vec2 a_corner;
attribute vec4 a_colour;
attribute float a_width;
varying vec4 v_colour;
varying float v_across;
varying float v_half_width;
const float NEAR = 0.02;
void main() {
    vec4 start = u_matrix * vec4(a_start, 1.0);
    vec4 end = u_matrix * vec4(a_end, 1.0);
    v_colour = a_colour;
    v_half_width = 0.5 * a_width * u_pixel_ratio;
    v_across = a_corner.y * (v_half_width + 1.0);
    if (start.w < NEAR && end.w < NEAR) {
        gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
        return;
    }
    if (start.w < NEAR) start = mix(start, end, (NEAR - start.w) / (end.w - start.w));
    else if (end.w < NEAR) end = mix(end, start, (NEAR - end.w) / (start.w - end.w));
    vec2 along = (end.xy / end.w - start.xy / start.w) * u_viewport;
    float span = length(along);
    along = span > 1e-5 ? along / span : vec2(1.0, 0.0);
    vec4 here = a_corner.x < 0.5 ? start : end;
    here.xy += vec2(-along.y, along.x) * v_across * 2.0 / u_viewport * here.w;
    gl_Position = here;
}
"""

_LINE_FRAGMENT = """
varying vec4 v_colour;
varying float v_across;
varying float v_half_width;
void main() {
    float cover = clamp(v_half_width + 0.5 - abs(v_across), 0.0, 1.0);
    gl_FragColor = vec4(v_colour.rgb, v_colour.a * cover);
}
"""

_CORNERS = np.array([(0, -1), (0, 1), (1, -1), (1, 1)], np.float32)
_CORNER_FACES = np.array([(0, 1, 2), (2, 1, 3)], np.uint32)


@dataclass(frozen=True, eq=False)
class Sight:
    """From where and how large the scene is drawn.

    Parameters
    ----------
    matrix : (4, 4) ndarray
        Scene to clip coordinates.
    eye : (3,) ndarray
    light : (3,) ndarray
        Unit direction towards the light.
    size : (int, int)
        Device pixels.
    pixel_ratio : float
    """

    matrix: np.ndarray
    eye: np.ndarray
    light: np.ndarray
    size: tuple[int, int]
    pixel_ratio: float


class MeshLayer:
    """Triangles on the graphics card."""

    def __init__(self, opacity: float = 1.0) -> None:
        self._program = gloo.Program(_MESH_VERTEX, _MESH_FRAGMENT)
        self._program["u_opacity"] = opacity
        self._is_solid = opacity == 1.0
        self._faces = gloo.IndexBuffer()
        self._mesh = Mesh.joined([])

    def set(self, mesh: Mesh) -> None:
        """Replace the triangles."""
        before, self._mesh = self._mesh, mesh
        if not len(mesh.faces):
            return
        self._program["a_position"] = mesh.positions
        self._program["a_normal"] = mesh.normals
        if mesh.colours is not before.colours:
            self._program["a_colour"] = mesh.colours
        if mesh.faces is not before.faces:
            self._faces.set_data(mesh.faces)

    def draw(self, sight: Sight) -> None:
        if not len(self._mesh.faces):
            return
        self._program["u_matrix"] = sight.matrix.T.astype(np.float32)
        self._program["u_eye"] = sight.eye.astype(np.float32)
        self._program["u_light"] = sight.light.astype(np.float32)
        # A see-through body must hide its own far side, or its inside would show.
        gloo.set_state(depth_test=True, blend=not self._is_solid)
        gloo.set_depth_mask(True)
        self._program.draw("triangles", self._faces)


class LineLayer:
    """Line segments on the graphics card."""

    def __init__(self) -> None:
        self._program = gloo.Program(_LINE_VERTEX, _LINE_FRAGMENT)
        self._faces = gloo.IndexBuffer()
        self._num_segments = 0

    def set(self, segments: Segments) -> None:
        """Replace the segments."""
        count = self._num_segments = len(segments.ends)
        if not count:
            return
        ends = segments.ends.astype(np.float32)
        self._program["a_start"] = np.repeat(ends[:, 0], 4, axis=0)
        self._program["a_end"] = np.repeat(ends[:, 1], 4, axis=0)
        self._program["a_corner"] = np.tile(_CORNERS, (count, 1))
        colours = np.repeat(segments.colours.astype(np.float32), 2, axis=1)
        self._program["a_colour"] = colours.reshape(-1, 4)
        self._program["a_width"] = np.repeat(segments.widths.astype(np.float32), 4)[:, None]
        offsets = 4 * np.arange(count, dtype=np.uint32)[:, None, None]
        self._faces.set_data((_CORNER_FACES + offsets).reshape(-1, 3))

    def draw(self, sight: Sight) -> None:
        if not self._num_segments:
            return
        self._program["u_matrix"] = sight.matrix.T.astype(np.float32)
        self._program["u_viewport"] = sight.size
        self._program["u_pixel_ratio"] = sight.pixel_ratio
        gloo.set_state(depth_test=True, blend=True)
        gloo.set_depth_mask(False)
        self._program.draw("triangles", self._faces)


class GlScene:
    """Layers of triangles and lines, and the OpenGL context that draws them into an image.

    Use it in the thread of the window.

    Attributes
    ----------
    is_valid : bool
        False where there is no OpenGL.
    bodies, ghost, truth : MeshLayer
    floor, lines : LineLayer
    """

    def __init__(self) -> None:
        self.bodies = MeshLayer()
        self.floor = LineLayer()
        self.lines = LineLayer()
        self.ghost = MeshLayer(GHOST_OPACITY)
        self.truth = MeshLayer(TRUTH_OPACITY)
        self._context = QOpenGLContext()
        self._surface = QOffscreenSurface()
        self._surface.create()
        self._context.setFormat(_desktop_format())
        self.is_valid = self._context.create() and self._make_current()
        self._target: QOpenGLFramebufferObject | None = None
        self._samples = 0
        if self.is_valid:
            # Where vispy's commands gather: they are carried out in the context that is current.
            self._commands = FakeCanvas()
            self._samples = 0 if self._is_drawn_by_processor() else SAMPLES
            self._context.doneCurrent()

    def image(
        self, orbit: Orbit, background: tuple[float, float, float], size: QSize, pixel_ratio: float
    ) -> QImage:
        """Draw the layers.

        Parameters
        ----------
        orbit : Orbit
            From where.
        background : (float, float, float)
            RGB 0..1.
        size : QSize
            Device pixels.
        pixel_ratio : float
            Device pixels per logical one.

        Returns
        -------
        QImage
            Null where there is no OpenGL.
        """
        if not (self.is_valid and self._make_current()):
            return QImage()
        set_current_canvas(self._commands)
        self._commands.flush()  # which lets go of what is bound, so before the target is
        target = self._target_of(size)
        target.bind()
        self._draw(_sight(orbit, size, pixel_ratio), background)
        self._commands.flush()
        # Lines that are half see-through make the picture so as well.
        image = target.toImage()
        image.reinterpretAsFormat(QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(pixel_ratio)
        target.release()
        self._context.doneCurrent()
        return image

    def _draw(self, sight: Sight, background: tuple[float, float, float]) -> None:
        gloo.set_viewport(0, 0, *sight.size)
        gloo.set_depth_mask(True)
        gloo.set_state(
            blend_func=("src_alpha", "one_minus_src_alpha"), cull_face=False, depth_func="lequal"
        )
        gloo.clear(color=(*background, 1.0), depth=True)
        # Lines must find the bodies that hide them.
        for layer in (self.bodies, self.floor, self.lines, self.ghost, self.truth):
            layer.draw(sight)

    def _target_of(self, size: QSize) -> QOpenGLFramebufferObject:
        if self._target is None or self._target.size() != size:
            form = QOpenGLFramebufferObjectFormat()
            form.setAttachment(QOpenGLFramebufferObject.Attachment.Depth)
            form.setSamples(self._samples)
            self._target = QOpenGLFramebufferObject(size, form)
        return self._target

    def _make_current(self) -> bool:
        return self._context.makeCurrent(self._surface)

    def _is_drawn_by_processor(self) -> bool:
        """Whether there is no graphics card: smooth edges would then take three times as long."""
        renderer = str(self._context.functions().glGetString(gloo.gl.GL_RENDERER)).lower()
        return any(name in renderer for name in SOFTWARE_RENDERERS)


def _desktop_format() -> QSurfaceFormat:
    """OpenGL 2.1, which the shaders are written for."""
    form = QSurfaceFormat()
    form.setRenderableType(QSurfaceFormat.RenderableType.OpenGL)
    form.setVersion(2, 1)
    return form


def _sight(orbit: Orbit, size: QSize, pixel_ratio: float) -> Sight:
    right, _, backward = orbit.axes
    light = 0.35 * right + np.array([0.0, 0.0, 0.8]) + 0.45 * backward
    return Sight(
        orbit.matrix(size.width() / size.height()),
        orbit.eye,
        light / np.linalg.norm(light),
        (size.width(), size.height()),
        pixel_ratio,
    )
