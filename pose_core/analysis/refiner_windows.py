"""What TP-Net and the networks that it is compared with see of a clip, ready to be looked into."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pose_core.analysis.sensitivity import Sensitivity, WindowNetwork, jacobian_sensitivity
from pose_core.camera import Camera
from pose_core.errors import ConfigError
from pose_core.inference.lifter import base_network, seen_stretches
from pose_core.models.baselines import LstmBaseline
from pose_core.models.ray_input import normalise_rays
from pose_core.models.registry import ModelEntry, build_network
from pose_core.models.tpnet import TpNet, pose_windows
from pose_core.poses import Keypoints2D

# An LSTM sees the whole past. Beyond this many poses there is next to nothing left to see.
_PAST_POSES = 20
# Windows of a range that are averaged over: evenly spaced ones are enough, and soon done.
_WINDOWS_OF_RANGE = 8


@dataclass(frozen=True, eq=False)
class PreparedRefiner:
    """Windows of poses of the T frames of a clip.

    Parameters
    ----------
    network : callable
        (B, R, 17, 3) windows to (B, 17, 3) poses.
    windows : (T, R, 17, 3) Tensor
        Poses of the single-frame network in the axes of the turned cameras, metres; NaN without
        the person.
    answer_index : int
        Which pose of a window the answer is for.
    rate_hz : float
        Poses a second.
    """

    network: WindowNetwork
    windows: Tensor
    answer_index: int
    rate_hz: float

    @property
    def known_mask(self) -> np.ndarray:
        """(T,) bool: frames with the person."""
        return torch.isfinite(self.windows[:, 0, 0, 0]).numpy()


def prepare_refiner(
    entry: ModelEntry, keypoints: Keypoints2D, times_s: np.ndarray, camera: Camera
) -> PreparedRefiner:
    """Make the windows that a network which refines poses sees.

    The person is seen as it is: neither rolled nor mirrored. Of an LSTM, which sees the entire
    past, the last poses are looked at, and its memory begins with them; where the person was seen
    for less time, the first pose is repeated, as TP-Net has it.

    Raises
    ------
    ConfigError
        If the model refines no poses, or its single-frame network is not installed.
    WeightsError
        If weights are missing or altered.
    """
    network = build_network(entry)
    if not isinstance(network, TpNet | LstmBaseline):
        raise ConfigError(f"{entry.name} refines no poses.", "Choose a TP-Net or an LSTM.")
    base = base_network(entry).eval()
    before, after = _padding(network)
    shape = (len(keypoints), before + 1 + after, 17, 3)
    windows, rate_hz = torch.full(shape, torch.nan), entry.rate_hz
    for seen in seen_stretches(keypoints.xy, keypoints.scores, times_s, camera, entry.rate_hz):
        frame = normalise_rays(
            torch.from_numpy(seen.grid_rays).float()[None],
            torch.from_numpy(seen.grid_scores).float()[None],
        )
        with torch.no_grad():
            poses = base(frame.features)[-1]
        of_grid = pose_windows(poses, before, after)[0]
        windows[torch.from_numpy(seen.frames)] = of_grid[torch.from_numpy(seen.nearest)]
        if len(seen.grid_s) > 1:
            rate_hz = float(1 / (seen.grid_s[1] - seen.grid_s[0]))
    return PreparedRefiner(_window_network(network), windows, before, rate_hz)


def sensitivity_of(prepared: PreparedRefiner, start: int, end: int) -> Sensitivity:
    """Sensitivity at a frame, or averaged over frames ``start <= frame < end``.

    Raises
    ------
    ConfigError
        If the person is in none of them.
    """
    frames = start + np.flatnonzero(prepared.known_mask[start:end])
    if not len(frames):
        raise ConfigError(
            f"The person is not in frames {start} to {end - 1}.", "Go to another frame."
        )
    count = min(len(frames), _WINDOWS_OF_RANGE)
    chosen = frames[np.linspace(0, len(frames) - 1, count).round().astype(int)]
    windows = prepared.windows[torch.from_numpy(chosen)]
    return jacobian_sensitivity(prepared.network, windows, answer_index=prepared.answer_index)


def _padding(network: TpNet | LstmBaseline) -> tuple[int, int]:
    if isinstance(network, LstmBaseline) and not network.config.bidirectional:
        return _PAST_POSES - 1, 0
    return network.config.padding


def _window_network(network: TpNet | LstmBaseline) -> WindowNetwork:
    if isinstance(network, TpNet):
        return network.pose_of_window
    before, _ = _padding(network)

    def answer(windows: Tensor) -> Tensor:
        cells, _ = network.lstm(windows.flatten(2))
        return network.answer(cells[:, before]).unflatten(-1, (-1, 3))

    return answer
