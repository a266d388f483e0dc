"""A joint of a 3D pose in the hand: where the mouse takes it, without any drawing."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from app.views.orbit import Orbit, project
from pose_core.analysis.pose_edits import PARENTS, limb, nearest_on_sphere, turned_limb
from pose_core.skeleton import H36M_17

NEAREST_M = 0.1  # that a joint comes to the eye
ALL_JOINTS = tuple(range(H36M_17.num_joints))
PELVIS = H36M_17.index("pelvis")


class Way(Enum):
    """How a joint follows the mouse."""

    PLANE = "in the plane of the view"
    DEPTH = "nearer or farther"
    LIMB = "with its limb, bones as long as they are"


@dataclass(frozen=True, eq=False)
class Grip:
    """A joint as it was taken.

    Parameters
    ----------
    pose : (17, 3) ndarray
        Scene coordinates, metres.
    joint : int
    way : Way
    is_whole : bool
        The whole person goes along.
    orbit : Orbit
    width, height : float
        Of the view, pixels.
    """

    pose: np.ndarray
    joint: int
    way: Way
    is_whole: bool
    orbit: Orbit
    width: float
    height: float

    @property
    def joints(self) -> tuple[int, ...]:
        """The joints that move."""
        if self.is_whole:
            return ALL_JOINTS
        return limb(self.joint) if self.way is Way.LIMB else (self.joint,)

    def moved(self, dx: float, dy: float) -> np.ndarray:
        """(17, 3) pose after the mouse has gone so many pixels; joints not held are as before."""
        if self.way is Way.LIMB and not self.is_whole:
            return self._turned(dx, dy)
        target = self._farther(dy) if self.way is Way.DEPTH else self._under_mouse(dx, dy)
        out = np.array(self.pose, dtype=np.float64)
        out[list(self.joints)] += target - self.pose[self.joint]
        return out

    @property
    def _depth_m(self) -> float:
        return self.orbit.depth_of(self.pose[self.joint])

    def _under_mouse(self, dx: float, dy: float) -> np.ndarray:
        """The joint in the plane across the line of sight in which it lies."""
        matrix = self.orbit.matrix(self.width / self.height)
        x, y = project(self.pose[self.joint], matrix, self.width, self.height)
        return self.orbit.at_depth(x + dx, y + dy, self._depth_m, self.width, self.height)

    def _farther(self, dy: float) -> np.ndarray:
        """The joint on its line of sight: farther as the mouse goes up.

        It goes as many metres as it would in the plane of the view.
        """
        window = self.orbit.window.widened(self.width / self.height)
        metres_per_pixel = self._depth_m * (window.top - window.bottom) / self.height
        depth_m = max(self._depth_m - dy * metres_per_pixel, min(NEAREST_M, self._depth_m))
        eye = self.orbit.eye
        return eye + (self.pose[self.joint] - eye) * (depth_m / self._depth_m)

    def _turned(self, dx: float, dy: float) -> np.ndarray:
        """The limb turned about its parent so that the joint stays under the mouse, if it can."""
        parent = self.pose[PARENTS[self.joint]]
        bone = self.pose[self.joint] - parent
        eye = self.orbit.eye
        # It stays before or behind its parent, as it was: to bring it round, turn the view.
        is_far = bool(bone @ (self.pose[self.joint] - eye) > 0)
        through = self._under_mouse(dx, dy)
        radius = float(np.linalg.norm(bone))
        target = nearest_on_sphere(parent, radius, eye, through, is_far=is_far)
        return turned_limb(self.pose, self.joint, target)
