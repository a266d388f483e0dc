"""A picture of what several systems say of the same moments; `four_systems.py` makes it."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pose_core.palette import LEFT, RIGHT
from pose_core.skeleton import H36M_17

# The middle is light in the palette, for pictures; here it lies on white.
_COLOURS = {
    "left": [value / 255 for value in LEFT],
    "right": [value / 255 for value in RIGHT],
    "middle": "#555555",
}
_TURN_DEG = 35.0  # from the view of the camera, to see the depth
_REACH_M = 1.0


def save_side_by_side(
    path: Path,
    seen_2d: dict[str, np.ndarray],
    poses: dict[str, dict[str, np.ndarray]],
) -> None:
    """Write a picture: a row for each moment, a column for each system.

    Parameters
    ----------
    path : Path
    seen_2d : dict of str to (17, 2) ndarray
        By moment, pixels.
    poses : dict of str to dict of str to (17, 3) ndarray
        By system and moment: camera axes, metres.
    """
    num_rows, num_columns = len(seen_2d), 1 + len(poses)
    figure = Figure(figsize=(1.9 * num_columns, 2.2 * num_rows), layout="constrained")
    axes = figure.subplots(num_rows, num_columns, squeeze=False)
    for row, (moment, xy) in zip(axes, seen_2d.items(), strict=True):
        columns = {"2D": xy, **{system: _turned(own[moment]) for system, own in poses.items()}}
        for axis, (title, points) in zip(row, columns.items(), strict=True):
            _draw(axis, points)
            if axis in axes[0]:
                axis.set_title(title, fontsize=10)
            if title == "2D":
                axis.invert_yaxis()
                axis.set_aspect("equal", adjustable="datalim")
            else:
                axis.set_xlim(-_REACH_M, _REACH_M)
                axis.set_ylim(_REACH_M, -_REACH_M)
                axis.set_aspect("equal", adjustable="box")
        row[0].set_ylabel(moment, fontsize=9)
    figure.supxlabel(
        f"3D seen {_TURN_DEG:.0f} degrees from the side of the camera, squares of "
        f"{2 * _REACH_M:.1f} m, pelvis in the middle; left orange, right blue",
        fontsize=9,
    )
    figure.savefig(path, dpi=90)


def _turned(xyz: np.ndarray) -> np.ndarray:
    """Points (17, 2) of a pose as a camera farther to the side sees it from far away."""
    angle = np.deg2rad(_TURN_DEG)
    x, y, z = (xyz - xyz[0]).T
    return np.stack([np.cos(angle) * x + np.sin(angle) * z, y], axis=1)


def _draw(axis, points: np.ndarray) -> None:  # noqa: ANN001 - matplotlib has no types of its own
    for first, second in H36M_17.bones:
        colour = _COLOURS[H36M_17.side(second)]
        axis.plot(*points[[first, second]].T, color=colour, linewidth=2, solid_capstyle="round")
    axis.set_xticks([])
    axis.set_yticks([])
