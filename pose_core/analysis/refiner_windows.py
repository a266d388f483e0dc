"""What TP-Net and the networks that it is compared with see of a clip, ready to be looked into."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pose_core.analysis.plain_lstm import lstm_states
from pose_core.analysis.sensitivity import Sensitivity, WindowNetwork, jacobian_sensitivity
from pose_core.camera import Camera
from pose_core.errors import ConfigError
from pose_core.inference.lifter import base_network, seen_stretches
from pose_core.models.baselines import LstmBaseline
from pose_core.models.ray_input import normalise_rays
from pose_core.models.registry import ModelEntry, build_network
from pose_core.models.tpnet import TpNet, TpNetConfig
from pose_core.poses import Keypoints2D
from pose_core.skeleton import H36M_17

# An LSTM sees the whole past. Beyond this many poses there is next to nothing left to see.
_PAST_POSES = 20
# Windows of a range that are averaged over: evenly spaced ones are enough, and soon done.
_WINDOWS_OF_RANGE = 8
PELVIS = H36M_17.index("pelvis")


@dataclass(frozen=True, eq=False)
class PreparedRefiner:
    """What a network that refines poses sees of the T frames of a clip.

    Parameters
    ----------
    network : callable
        (B, R, 17, 3) windows to (B, 17, 3) poses.
    poses : (N, 17, 3) Tensor
        Of the single-frame network at the rate of the network, one stretch with the person after
        the other; each in the axes of its own turned camera, metres.
    rotations : (N, 3, 3) ndarray
        Camera to turned camera, of each of them.
    places : (T, 3) int ndarray
        For each frame its pose, and first and last pose of its stretch; -1 without the person.
    steps : (R,) int ndarray
        Time of the poses of a window relative to the answer's.
    rate_hz : float
        Poses a second.
    untrained_level : float
        Mean sensitivity of the same TP-Net with its first weights, metres per metre, the same at
        all times. Weights for which training found no use stay there. NaN for other networks.
    """

    network: WindowNetwork
    poses: Tensor
    rotations: np.ndarray
    places: np.ndarray
    steps: np.ndarray
    rate_hz: float
    untrained_level: float = np.nan

    @property
    def known_mask(self) -> np.ndarray:
        """(T,) bool: frames with the person."""
        return self.places[:, 0] >= 0

    @property
    def answer_index(self) -> int:
        """Which pose of a window the answer is for."""
        return int(np.flatnonzero(self.steps == 0)[0])

    def seen_from(self, frames: np.ndarray) -> np.ndarray:
        """(F, R) which poses the network sees for some frames with the person."""
        here, first, last = (column[:, None] for column in self.places[frames].T)
        # Beyond the ends of a stretch its end poses are repeated.
        return np.clip(here + self.steps, first, last)

    def windows(self, frames: np.ndarray) -> Tensor:
        """(F, R, 17, 3) windows of some frames with the person."""
        return self.poses[torch.from_numpy(self.seen_from(frames))]


def prepare_refiner(
    entry: ModelEntry, keypoints: Keypoints2D, times_s: np.ndarray, camera: Camera
) -> PreparedRefiner:
    """Compute the poses that a network which refines poses sees.

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
    poses, rotations = [torch.zeros(0, 17, 3)], [torch.zeros(0, 3, 3)]
    places, rate_hz = np.full((len(keypoints), 3), -1), entry.rate_hz
    start = 0
    for seen in seen_stretches(keypoints.xy, keypoints.scores, times_s, camera, entry.rate_hz):
        frame = normalise_rays(
            torch.from_numpy(seen.grid_rays).float()[None],
            torch.from_numpy(seen.grid_scores).float()[None],
        )
        with torch.no_grad():
            poses.append(base(frame.features)[-1][0])
        rotations.append(frame.rotation[0])
        count = len(seen.grid_s)
        places[seen.frames, 0] = start + seen.nearest
        places[seen.frames, 1:] = start, start + count - 1
        start += count
        if count > 1:
            rate_hz = float(1 / (seen.grid_s[1] - seen.grid_s[0]))
    before, after = _padding(network)
    prepared = PreparedRefiner(
        _window_network(network),
        torch.cat(poses),
        torch.cat(rotations).double().numpy(),
        places,
        np.arange(-before, after + 1),
        rate_hz,
    )
    if isinstance(network, TpNet) and start:
        return replace(prepared, untrained_level=_untrained_level(prepared, network.config))
    return prepared


def _untrained_level(prepared: PreparedRefiner, config: TpNetConfig) -> float:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = TpNet(config).eval()
    frame = int(np.flatnonzero(prepared.known_mask)[0])
    untrained = replace(prepared, network=first.pose_of_window)
    return float(sensitivity_of(untrained, frame, frame + 1).over_time.mean())


def sensitivity_of(prepared: PreparedRefiner, start: int, end: int) -> Sensitivity:
    """Sensitivity at a frame, or averaged over frames ``start <= frame < end``.

    To the pelvis it is nought: all poses are relative to it, so that it is next to 0 in all of
    them. What the network would make of another one no training has ever taught it.

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
    sensitivity = jacobian_sensitivity(
        prepared.network, prepared.windows(chosen), answer_index=prepared.answer_index
    )
    sensitivity.response[:, PELVIS] = 0.0
    return sensitivity


def _padding(network: TpNet | LstmBaseline) -> tuple[int, int]:
    if isinstance(network, LstmBaseline) and not network.config.bidirectional:
        return _PAST_POSES - 1, 0
    return network.config.padding


def _window_network(network: TpNet | LstmBaseline) -> WindowNetwork:
    if isinstance(network, TpNet):
        return network.pose_of_window
    before, _ = _padding(network)

    def answer(windows: Tensor) -> Tensor:
        states = lstm_states(network.lstm, windows.flatten(2))
        return network.answer(states[before]).unflatten(-1, (-1, 3))

    return answer
