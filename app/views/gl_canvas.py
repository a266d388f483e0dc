"""Draws lit triangles and smooth lines of any width with OpenGL, through vispy.

Importing this module imports vispy; the 3D view does so when it is built.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import qInstallMessageHandler
from PySide6.QtGui import QOpenGLContext
from vispy import app, gloo

from app.views.body_mesh import Mesh
from app.views.orbit import Orbit
from app.views.segments import Segments

# vispy puts a handler of its own in place of whoever hears Qt's messages; put that one back.
_message_handler = qInstallMessageHandler(None)
_APP = app.use_app("pyside6")
qInstallMessageHandler(_message_handler)

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
        self._num_faces = 0

    def set(self, mesh: Mesh) -> None:
        """Replace the triangles."""
        self._num_faces = len(mesh.faces)
        if self._num_faces:
            self._program["a_position"] = mesh.positions
            self._program["a_normal"] = mesh.normals
            self._program["a_colour"] = mesh.colours
            self._faces.set_data(mesh.faces)

    def draw(self, sight: Sight) -> None:
        if not self._num_faces:
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


def _is_drawn_by_processor() -> bool:
    """Whether OpenGL, of which vispy has just made a context, runs without a graphics card."""
    context = QOpenGLContext.currentContext()
    if context is None:
        return False
    renderer = str(context.functions().glGetString(gloo.gl.GL_RENDERER)).lower()
    return any(name in renderer for name in SOFTWARE_RENDERERS)


class GlCanvas(app.Canvas):
    """The OpenGL area; its Qt widget is `native`, which needs a parent.

    Parameters
    ----------
    prepare : bound method
        Called before each drawing; brings `orbit`, `background` and the layers up to date. Held
        weakly: a view in a reference cycle would be destroyed by the garbage collector, which may
        run while another OpenGL area is being painted, and that crashes.
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._prepare = weakref.WeakMethod(prepare)
        self._contents: dict[str, Any] = {}  # by layer, what its `set` takes
        self._stale: set[str] = set()
        self._layers: dict[str, MeshLayer | LineLayer] = {}
        self.orbit = Orbit()
        self.background = (0.0, 0.0, 0.0)
        # No parent here: vispy would keep a reference to it, and close a cycle.
        super().__init__(keys=None, app=_APP, config={"samples": SAMPLES})
        if _is_drawn_by_processor():
            # Smooth edges would make every picture three times as slow.
            form = self.native.format()
            form.setSamples(0)
            self.native.setFormat(form)

    def set_layer(self, name: str, content: Mesh | Segments) -> None:
        """Replace what one of the layers shows: floor, bodies, lines, ghost or truth."""
        self._contents[name] = content
        self._stale.add(name)

    def on_initialize(self, event: object) -> None:
        """Forget what was on the card: a window that is docked or floated may get a new context."""
        self._layers = {}
        self._stale = set(self._contents)

    def on_draw(self, event: object) -> None:
        prepare = self._prepare()
        if prepare is None:
            return  # the view is gone
        prepare()
        if not self._layers:
            # In the order of drawing: lines must find the bodies that hide them.
            self._layers = {
                "bodies": MeshLayer(),
                "floor": LineLayer(),
                "lines": LineLayer(),
                "ghost": MeshLayer(GHOST_OPACITY),
                "truth": MeshLayer(TRUTH_OPACITY),
            }
        for name in self._stale:
            self._layers[name].set(self._contents[name])
        self._stale = set()
        width, height = self.physical_size
        gloo.set_viewport(0, 0, width, height)
        gloo.set_depth_mask(True)
        gloo.set_state(
            blend_func=("src_alpha", "one_minus_src_alpha"), cull_face=False, depth_func="lequal"
        )
        gloo.clear(color=(*self.background, 1.0), depth=True)
        sight = self._sight(width, height)
        for layer in self._layers.values():
            layer.draw(sight)

    def _sight(self, width: int, height: int) -> Sight:
        right, _, backward = self.orbit.axes
        light = 0.35 * right + np.array([0.0, 0.0, 0.8]) + 0.45 * backward
        return Sight(
            self.orbit.matrix(width / height),
            self.orbit.eye,
            light / np.linalg.norm(light),
            (width, height),
            self.native.devicePixelRatioF(),
        )
