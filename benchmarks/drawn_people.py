"""Drawings in place of pictures: ``python benchmarks/drawn_people.py PEOPLE OUT --size 64``.

Takes rendered people (``posestage synthesize``) and draws each of them again as a few strokes on a
plain ground: limbs of the left, of the right and of the middle have their own colours, those
farther away come first and are thinner. Labels stay as they are. Where the joints are is then easy
to see, so that a network too small for pictures shows what it does with depth and with time. To be
trained on without mirror images (``task.data.augmentation.mirror=0``), which would exchange the
colours.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from pose_core.palette import SIDE_COLOURS
from pose_core.skeleton import H36M_17
from pose_core.synthesis.people_files import read_people

_RADIUS_M = 0.04
_BRIGHTEST_GROUND = 100  # of 255: darker than all limbs
_NOISE = 8.0  # standard deviation, grey levels
# cv2 takes places in parts of a pixel, as powers of two.
_SHIFT = 4


def drawing(
    keypoints: np.ndarray, camera_xyz: np.ndarray, focal: float, size: int, ground: np.ndarray
) -> np.ndarray:
    """A person with joints at (17, 2) pixels and (17, 3) metres: picture (size, size, 3), RGB."""
    picture = np.full((size, size, 3), ground, dtype=np.uint8)
    depths = camera_xyz[:, 2]
    for parent, child in sorted(H36M_17.bones, key=lambda bone: -sum(depths[list(bone)])):
        width = 2 * focal * _RADIUS_M / depths[[parent, child]].mean()
        start, end = ((keypoints[j] - 0.5) * 2**_SHIFT for j in (parent, child))
        cv2.line(
            picture,
            start.round().astype(int).tolist(),
            end.round().astype(int).tolist(),
            SIDE_COLOURS[H36M_17.side(child)],
            max(1, round(float(width))),
            cv2.LINE_AA,
            _SHIFT,
        )
    return picture


def draw_folder(people: Path, out: Path, size: int) -> None:
    """One folder of rendered people, drawn."""
    settings = json.loads((people / "settings.json").read_text(encoding="utf-8"))
    share = size / settings["size"]
    (out / "images").mkdir(parents=True)
    (out / "labels").mkdir()
    generator = np.random.default_rng(0)
    for number, shard in enumerate(read_people(people)):
        labels = dict(shard.labels)
        labels["keypoints"] = labels["keypoints"] * share
        labels["intrinsics"] = np.diag([share, share, 1.0]) @ labels["intrinsics"]
        for person, paths in enumerate(shard.image_paths):
            ground = generator.integers(0, _BRIGHTEST_GROUND, 3)
            for frame, path in enumerate(paths):
                picture = drawing(
                    labels["keypoints"][person, frame],
                    labels["camera_xyz"][person, frame],
                    labels["intrinsics"][person, 0, 0],
                    size,
                    ground,
                )
                noisy = picture + generator.normal(0, _NOISE, picture.shape)
                rgb = np.clip(noisy, 0, 255).astype(np.uint8)
                cv2.imwrite(str(out / "images" / path.name), rgb[:, :, ::-1])
        np.savez_compressed(out / "labels" / f"{number:05}.npz", allow_pickle=False, **labels)
    # Last: a folder without it is not taken for people to train on.
    settings = settings | {"size": size, "drawn": True}
    (out / "settings.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")


def main() -> None:
    """Draw what lies below PEOPLE."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("people", type=Path, help="with folders for training and held out")
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=64, help="side of the drawings, pixels")
    options = parser.parse_args()
    for settings in sorted(options.people.glob("*/settings.json")):
        folder = settings.parent
        out = options.out / folder.name
        draw_folder(folder, out, options.size)
        print(out)


if __name__ == "__main__":
    main()
