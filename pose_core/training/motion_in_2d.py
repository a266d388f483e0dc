"""Movements of which 3D is known, beside others of which only 2D is (mixed batches)."""

from collections.abc import Sequence

from torch import Generator, Tensor

from pose_core.data.mocap import Motion
from pose_core.errors import ConfigError
from pose_core.training.lifting_data import LiftingData


def check_share_3d(share: float) -> None:
    """Refuse shares of movements with 3D that are none.

    Raises
    ------
    ConfigError
        If it is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise ConfigError(f"share_3d_known is between 0 and 1, not {share:g}.")


def with_3d(motions: Sequence[Motion], share: float) -> list[Motion]:
    """Every n-th movement, n being the whole number next to 1 / share."""
    return list(motions[:: round(1 / share)])


class WithMotionIn2D(LiftingData):
    """Movements with 3D, and as many of which only 2D is given.

    Parameters
    ----------
    everything : LiftingData
        2D is taken from all of it.
    share_3d_known : float
        3D is taken from these of its movements, see `with_3d`.
    """

    def __init__(self, everything: LiftingData, share_3d_known: float) -> None:
        known = with_3d(everything.bank.motions, share_3d_known)
        super().__init__(known, everything.settings, everything.window, everything.answers)
        self._everything = everything

    def draw(self, num_samples: int, generator: Generator) -> dict[str, Tensor]:
        """`num_samples` windows with 3D, and others without under ``weak_`` names."""
        known = super().draw(num_samples, generator)
        others = self._everything.draw(num_samples, generator)
        del others["target"]
        return known | {f"weak_{name}": values for name, values in others.items()}
