"""Points with names over time: what every motion capture file comes down to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

# Metres per unit, by the names that files and people use. "cmu" is the unit of the CMU Graphics
# Lab database: 1 / 0.45 inch.
UNITS = {
    "m": 1.0,
    "cm": 0.01,
    "mm": 0.001,
    "in": 0.0254,
    "ft": 0.3048,
    "cmu": 0.0254 / 0.45,
}
_UNIT_NAMES = {
    "m": "m meter meters metre metres",
    "cm": "cm centimeter centimeters centimetre centimetres",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "in": "in inch inches",
    "ft": "ft foot feet",
}


@dataclass(frozen=True, eq=False)
class NamedPoints:
    """Joints or markers, in their file's own unit and axes.

    Parameters
    ----------
    names : tuple of str
        N names.
    xyz : (T, N, 3) float64 ndarray
        Positions; NaN where a point was not seen.
    fps : float
        Frames per second; NaN where the file does not say.
    metres_per_unit : float, optional
        None where the file does not say.
    up : str
        Axis that the file says is up, such as ``y`` or ``-z``; empty where it does not say.
    labels : dict
        ``action``, ``subject`` and ``source``, where the file has them.
    """

    names: tuple[str, ...]
    xyz: np.ndarray
    fps: float
    metres_per_unit: float | None = None
    up: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def metres_per_unit(word: str) -> float | None:
    """Size of a unit that a file names, such as ``mm`` or ``Meters``; None if unknown."""
    word = word.strip().strip("[]()").lower()
    known = [UNITS[unit] for unit, words in _UNIT_NAMES.items() if word in words.split()]
    return known[0] if known else None
