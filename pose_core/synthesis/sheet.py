"""Contact sheets: random samples with their joints drawn, for people to look at."""

import cv2
import numpy as np

from pose_core.interchange.drawing import draw_person
from pose_core.synthesis.labels import VISIBLE
from pose_core.synthesis.people import PeopleBatch, PeopleSource

COLUMNS, ROWS = 6, 4


def contact_sheet(source: PeopleSource, seed: int, with_joints: bool = True) -> np.ndarray:
    """24 samples, joints that cannot be seen drawn hollow.

    Returns
    -------
    (4 * size, 6 * size, 3) uint8 ndarray
        RGB.
    """
    batch = source.batch(COLUMNS * ROWS, seed, 0)
    tiles = [tile(batch, person, with_joints) for person in range(COLUMNS * ROWS)]
    rows = [np.concatenate(tiles[i : i + COLUMNS], axis=1) for i in range(0, len(tiles), COLUMNS)]
    return np.concatenate(rows)


def tile(batch: PeopleBatch, person: int, with_joints: bool) -> np.ndarray:
    """The first frame of one sample (H, W, 3), RGB."""
    image = batch.images[person, 0].permute(1, 2, 0).cpu().numpy().copy()
    if with_joints:
        scores = (batch.visibility[person, 0] == VISIBLE).float().cpu().numpy()
        draw_person(image, batch.keypoints[person, 0].cpu().numpy(), scores, image.shape[0] / 512)
    return image


def encode_png(image: np.ndarray) -> bytes:
    """A picture (H, W, 3) RGB as a PNG file."""
    return cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
