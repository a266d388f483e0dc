"""Pictures of the loss surfaces of SAP-Net: Fig. 4 of Dabral et al., ECCV 2018.

``python docs/figures/loss_surfaces.py docs/images`` writes ``loss_surface_poses.png`` (the three
marked poses), ``loss_surface_3d.png`` and ``loss_surface_contours.png`` (the four surfaces) and
``loss_surface_terms.png`` (each term alone). It needs matplotlib, which comes with the ``dev``
extra.
"""

import argparse
import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pose_core.analysis.loss_surface import (
    SURFACES,
    LossSurface,
    SurfaceWeights,
    loss_surface,
    losses_of,
)
from pose_core.losses.structure import StructureWeights
from pose_core.skeleton import H36M_17

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# E of Eq. (1) is a volume of a few litres, the other terms are decimetres: ten times the illegal
# angle brings all to one scale. The order of the marked poses does not depend on it.
WEIGHTS = SurfaceWeights(structure=StructureWeights(angle=10.0, symmetry=1.0, geometry=1.0))
ELBOW = H36M_17.index("left_elbow")
TITLES = {
    "2d": "(a) 2D location",
    "2d + symmetry": "(b) 2D location + symmetry",
    "2d + symmetry + angle": "(c) 2D location + symmetry + illegal angle",
    "3d": "(d) full 3D supervision",
}
TERM_TITLES = {
    "position_2d": "2D location, m²",
    "position_3d": "3D location, m²",
    "symmetry": "symmetry $L_s$, m",
    "angle": "illegal angle 10 $L_a$, m³",
    "geometry": "geometry $L_g$",
}
MARKER_TEXT = {1: "(1) bent backwards", 2: "(2) not symmetric", 3: "(3) truth"}
MARKER_COLOURS = {1: "#d62728", 2: "#ff9f1c", 3: "#ffffff"}
SIDE_COLOURS = {"left": "#1f77b4", "right": "#d95f02", "middle": "#555555"}


@dataclass(frozen=True, eq=False)
class MarkedPoses:
    """A pose and the three places of its left elbow that Fig. 4 marks.

    Parameters
    ----------
    truth : (17, 3) ndarray
        Camera axes, metres.
    poses : dict of int to (17, 3) ndarray
        1: the elbow bent backwards, with bones of the right length. 2: bent legally, with bones
        too long. 3: the truth. All three look the same in the picture.
    """

    truth: np.ndarray
    poses: dict[int, np.ndarray]


def marked_poses() -> MarkedPoses:
    """Somebody who faces the camera, hands in front of the hips and elbows drawn back.

    Left shoulder and wrist are equally far away. So the elbow, mirrored in depth through their
    common plane, keeps both bones' lengths and its place in the picture, but bends backwards.
    """
    middle = {
        "pelvis": (0, 0, 0),
        "spine": (0, -0.25, 0),
        "thorax": (0, -0.5, 0),
        "neck": (0, -0.61, -0.03),
        "head_top": (0, -0.79, 0),
    }
    side = {
        "hip": (0.1, 0, 0),
        "knee": (0.13, 0.42, -0.03),
        "ankle": (0.13, 0.84, 0.03),
        "shoulder": (0.18, -0.48, 0),
        "elbow": (0.26, -0.28, 0.17),
        "wrist": (0.24, -0.1, 0),
    }
    joints = {name: np.array(place, dtype=float) for name, place in middle.items()}
    for name, place in side.items():
        joints[f"left_{name}"] = np.array(place, dtype=float)
        joints[f"right_{name}"] = np.array(place, dtype=float) * (-1, 1, 1)
    truth = np.stack([joints[name] for name in H36M_17.joint_names])
    backwards, too_long = truth.copy(), truth.copy()
    backwards[ELBOW, 2] *= -1
    too_long[ELBOW, 2] = 0.4
    return MarkedPoses(truth, {1: backwards, 2: too_long, 3: truth})


def marker_values(marked: MarkedPoses) -> dict[str, dict[int, float]]:
    """Loss of each marked pose on each surface."""
    values = {k: losses_of(p, marked.truth, weights=WEIGHTS)[1] for k, p in marked.poses.items()}
    return {name: {k: float(v[name]) for k, v in values.items()} for name in SURFACES}


def draw_poses(figure: "Figure", marked: MarkedPoses) -> None:
    """The marked poses from the front, as the camera sees them, and from their left side."""
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    for row, (across, seen_from) in enumerate(((0, "from the camera"), (2, "from the side"))):
        for column, (k, pose) in enumerate(marked.poses.items()):
            ax = axes[row, column]
            for parent, child in H36M_17.bones:
                is_lower_arm = ELBOW in (parent, child)
                ax.plot(
                    pose[[parent, child], across],
                    -pose[[parent, child], 1],
                    color=SIDE_COLOURS[H36M_17.side(child)],
                    linewidth=4 if is_lower_arm else 2,
                    solid_capstyle="round",
                )
            ax.plot(pose[ELBOW, across], -pose[ELBOW, 1], "o", color="k", markersize=5)
            ax.set_aspect("equal")
            ax.set_xlim(-0.55, 0.55)
            ax.set_ylim(-0.15, 0.85)
            ax.set_xlabel("xyz"[across] + ", m" + (" (away from the camera)" if across else ""))
            if row == 0:
                ax.set_title(MARKER_TEXT[k])
        axes[row, 0].set_ylabel(f"{seen_from}\nheight, m")


def draw_3d(figure: "Figure", surface: LossSurface, marked: MarkedPoses) -> None:
    """The four surfaces as mountains."""
    x, z = np.meshgrid(surface.first_m, surface.second_m, indexing="ij")
    top = max(values.max() for values in surface.surfaces.values())
    for place, (name, values) in enumerate(surface.surfaces.items(), start=1):
        ax: Any = figure.add_subplot(2, 2, place, projection="3d", computed_zorder=False)
        ax.plot_surface(
            x, z, values, cmap="viridis", norm=valley_norm(top), rcount=31, ccount=31,
            linewidth=0.2, edgecolor="#00000060", zorder=1,
        )  # fmt: skip
        for k, pose in marked.poses.items():
            height = marker_values(marked)[name][k]
            spot = pose[ELBOW, 0], pose[ELBOW, 2]
            ax.plot(*([v] * 2 for v in spot), [height, height + 0.3], color="k", lw=1, zorder=2)
            ax.scatter(*spot, height, s=45, color=MARKER_COLOURS[k], edgecolor="k", zorder=3)
            ax.text(
                *spot, height + 0.3, f"({k})", ha="center", va="bottom", fontsize=9, zorder=4,
                bbox={"facecolor": MARKER_COLOURS[k], "edgecolor": "k", "pad": 1.5, "lw": 0.5},
            )  # fmt: skip
        ax.set(title=TITLES[name], xlabel="elbow x, m", ylabel="elbow z, m", zlabel="loss")
        ax.set_zlim(0, top)
        ax.view_init(elev=46, azim=-12)
        ax.set_box_aspect((1, 1, 0.7), zoom=0.92)


def draw_contours(figure: "Figure", surface: LossSurface, marked: MarkedPoses) -> None:
    """The four surfaces as maps."""
    top = max(values.max() for values in surface.surfaces.values())
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    heights = marker_values(marked)
    for ax, (name, values) in zip(axes.flat, surface.surfaces.items(), strict=True):
        # Lines close in towards the valleys, where the surfaces differ.
        draw_map(ax, surface, values, top * np.linspace(0, 1, 25) ** 2, norm=valley_norm(top))
        for k, pose in marked.poses.items():
            spot = pose[ELBOW, 0], pose[ELBOW, 2]
            ax.plot(*spot, "o", color=MARKER_COLOURS[k], markeredgecolor="k", markersize=8)
            ax.annotate(
                f"({k}) {heights[name][k]:.3f}", spot, (10, -4), textcoords="offset points",
                bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5},
            )  # fmt: skip
        ax.set_title(TITLES[name])
    label_axes(axes)


def draw_terms(figure: "Figure", surface: LossSurface) -> None:
    """Each term alone, each in its own range."""
    axes = figure.subplots(1, len(TERM_TITLES), sharex=True, sharey=True, squeeze=False)
    for ax, (name, title) in zip(axes.flat, TERM_TITLES.items(), strict=True):
        values = surface.terms[name]
        filled = draw_map(ax, surface, values, np.linspace(0, values.max(), 25))
        figure.colorbar(filled, ax=ax, shrink=0.6, ticks=np.linspace(0, values.max(), 3))
        ax.set_title(title, fontsize=10)
    label_axes(axes)


def valley_norm(top: float) -> Any:
    """Colours that spend half their range on the lowest quarter of the losses."""
    from matplotlib.colors import PowerNorm  # noqa: PLC0415

    return PowerNorm(0.5, vmin=0, vmax=top)


def draw_map(
    ax: Any, surface: LossSurface, values: np.ndarray, levels: np.ndarray, norm: Any = None
) -> Any:
    """One filled contour map, x to the right and z (away from the camera) upwards."""
    filled = ax.contourf(
        surface.first_m, surface.second_m, values.T, levels, cmap="viridis", norm=norm
    )
    ax.contour(surface.first_m, surface.second_m, values.T, levels[::2], colors="w", linewidths=0.4)
    ax.set_aspect("equal")
    return filled


def label_axes(axes: np.ndarray) -> None:
    """Names of the axes along the left and lower edge."""
    for ax in axes[-1]:
        ax.set_xlabel("elbow x, m")
    for ax in axes[:, 0]:
        ax.set_ylabel("elbow z, m (away from the camera)")


PICTURES = ("poses", "3d", "contours", "terms")


def write_pictures(folder: Path, names: tuple[str, ...] = PICTURES) -> list[Path]:
    """Draw some of `PICTURES` into a folder; returns their paths."""
    # Only here, so that the numbers can be had without matplotlib.
    from matplotlib.figure import Figure  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    marked = marked_poses()
    surface = loss_surface(marked.truth, marked.truth, ELBOW, reach_m=0.42, weights=WEIGHTS)
    folder.mkdir(parents=True, exist_ok=True)
    draw = {
        "poses": ((8, 5.6), lambda figure: draw_poses(figure, marked)),
        "3d": ((9, 7.4), lambda figure: draw_3d(figure, surface, marked)),
        "contours": ((8.4, 8), lambda figure: draw_contours(figure, surface, marked)),
        "terms": ((15, 2.9), lambda figure: draw_terms(figure, surface)),
    }
    paths = []
    for name in names:
        size, draw_into = draw[name]
        figure = Figure(figsize=size, layout="constrained")
        draw_into(figure)
        picture = BytesIO()
        figure.savefig(picture, dpi=88)
        paths.append(folder / f"loss_surface_{name}.png")
        # A palette makes the files half as large.
        Image.open(picture).convert("RGB").quantize(128).save(paths[-1], optimize=True)
    return paths


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    for path in write_pictures(parser.parse_args().folder):
        print(f"{path}  {path.stat().st_size // 1000} kB")
    for name, values in marker_values(marked_poses()).items():
        print(f"{TITLES[name]:45s}", *(f"({k}) {value:.4f} " for k, value in values.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
