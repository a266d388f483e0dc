"""What each kind of network says of the keypoints of one person: one function per kind.

Each takes evenly spaced rays (G, J, 2) and scores (G, J) and answers stages in camera axes. The
keypoints are normalised over the whole sequence. Then they go through the network in pieces, so
that memory stays bounded; frames seen before and states carried over make the result that of the
whole. A network sees the sequence in several ways, see `Ways`, and the mean of its answers counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.errors import ConfigError
from pose_core.inference.self_correction import (
    DEFAULT,
    STAGE_NAMES,
    Correction,
    CorrectionConfig,
    correct_clip,
    join,
)
from pose_core.models.baselines import LstmBaseline
from pose_core.models.pose_machine import PoseMachine
from pose_core.models.ray_input import RayFrame, normalise_rays
from pose_core.models.rpsm import Rpsm
from pose_core.models.temporal_conv import TemporalConv
from pose_core.models.tpnet import TpNet
from pose_core.skeleton import H36M_17

# Frames of a piece: convolutions over time need little memory, maps of features much.
_FRAMES_AT_ONCE = 4096
BLOCK = 5  # frames: half of the clips that the recurrent networks are trained on
_CLIPS_AT_ONCE = 16
_WINDOWS_AT_ONCE = 256
_ROLLS_DEG = (-20.0, 0.0, 20.0)
_LEVEL = (0.0,)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network says of G evenly spaced frames.

    Parameters
    ----------
    stages : (S, G, J, 3) float64 ndarray
        Root-relative, camera axes, metres; the last stage is the answer.
    correction : Correction, optional
        What self-correction did, of a network that has it.
    """

    stages: np.ndarray
    correction: Correction | None = None


class Ways:
    """Ways to look at the same person: rolled a little either way, each plain and mirrored.

    Parameters
    ----------
    rolls_deg : sequence of float
        Rolls of the camera.
    device : str
    """

    def __init__(self, rolls_deg: Sequence[float], device: str) -> None:
        angles = torch.deg2rad(torch.tensor(rolls_deg))
        turns = torch.eye(3).repeat(len(rolls_deg), 1, 1)
        turns[:, 0, 0] = turns[:, 1, 1] = angles.cos()
        turns[:, 0, 1], turns[:, 1, 0] = angles.sin(), -angles.sin()
        self.turns = turns[:, None].to(device)  # (R, 1, 3, 3)
        self.flip = torch.tensor([-1.0, 1.0, 1.0], device=device)
        self.mirror_index = torch.as_tensor(H36M_17.mirror_index, device=device)

    def of(self, features: Tensor) -> Tensor:
        """Features (1, T, J, 3) in all ways (V, T, J, 3)."""
        # x and y are turned; the third feature, the score, stays.
        rolled = features.to(self.turns.device) @ self.turns
        return torch.cat([rolled, rolled[:, :, self.mirror_index] * self.flip])

    def mean(self, stages: Tensor) -> Tensor:
        """Mean (S, T, J, 3) of the answers (S, V, T, J, 3), each turned back, on the CPU."""
        rolled, mirrored = stages.chunk(2, dim=1)
        upright = (rolled + mirrored[..., self.mirror_index, :] * self.flip) / 2
        return (upright @ self.turns.transpose(-1, -2)).mean(dim=1).cpu()


def answers_of(
    network: nn.Module,
    base: TemporalConv | None,
    device: str,
    correction: CorrectionConfig | None = None,
) -> tuple[tuple[str, ...], Callable[[np.ndarray, np.ndarray], Answer]]:
    """Names of the stages of a network, and the function from rays and scores to them.

    Parameters
    ----------
    network : Module
        One that sees keypoints, or with `base` one that refines poses; on the device.
    base : TemporalConv, optional
        Single-frame network whose poses are refined.
    device : str
    correction : CorrectionConfig, optional
        Of a pose machine; that of the paper by default.
    """
    if isinstance(network, TemporalConv):
        return ("network",), partial(temporal_answer, network, device)
    if isinstance(network, Rpsm):
        return recurrent_stage_names(network), partial(rpsm_answer, network, device)
    if isinstance(network, PoseMachine):
        config = correction or DEFAULT
        answer = partial(pose_machine_answer, network, device, config=config)
        return recurrent_stage_names(network), answer
    if isinstance(network, TpNet | LstmBaseline) and base is not None:
        return ("base", "refined"), partial(refiner_answer, network, base, device)
    raise ConfigError(f"A {type(network).__name__} lifts no keypoints to 3D by itself.")


def recurrent_stage_names(network: Rpsm | PoseMachine) -> tuple[str, ...]:
    """What the stages of a network are, whatever its front end sees."""
    if isinstance(network, Rpsm):
        return tuple(f"refinement {k + 1}" for k in range(network.config.num_stages))
    return STAGE_NAMES if network.config.has_projector else ("network",)


@torch.inference_mode()
def temporal_answer(
    network: TemporalConv, device: str, rays: np.ndarray, scores: np.ndarray
) -> Answer:
    """The joint-aware temporal network: one stage."""
    before, after = network.config.padding  # beyond the ends, the end frames are repeated
    rays = np.pad(rays, ((before, after), (0, 0), (0, 0)), mode="edge")
    frame = _normalised(rays, np.pad(scores, ((before, after), (0, 0)), mode="edge"))
    ways = Ways(_ROLLS_DEG, device)
    num_frames = len(rays) - before - after
    pieces = []
    for start in range(0, num_frames, _FRAMES_AT_ONCE):
        stop = min(start + _FRAMES_AT_ONCE, num_frames) + before + after
        pieces.append(ways.mean(network(ways.of(frame.features[:, start:stop]))))
    rotation = frame.rotation[0, before : before + num_frames]
    return Answer(_in_camera_axes(torch.cat(pieces, dim=1), rotation))


@torch.inference_mode()
def rpsm_answer(network: Rpsm, device: str, rays: np.ndarray, scores: np.ndarray) -> Answer:
    """RPSM: all of its refinement stages."""
    frame = _normalised(rays, scores)
    stages = recurrent_stages(network, frame.features, Ways(_LEVEL, device))
    return Answer(_in_camera_axes(stages, frame.rotation[0]))


@torch.inference_mode()
def pose_machine_answer(
    network: PoseMachine,
    device: str,
    rays: np.ndarray,
    scores: np.ndarray,
    config: CorrectionConfig = DEFAULT,
) -> Answer:
    """The 3D pose machine: `STAGE_NAMES`.

    The ways to look at the person have one intermediate pose in common, their mean, so that
    there is one correction of each frame and one verdict on it. A network without projector has
    the intermediate pose only.
    """
    frame = _normalised(rays, scores)
    intermediate = recurrent_stages(network, frame.features, Ways(_LEVEL, device))[:1]
    if not network.config.has_projector:
        return Answer(_in_camera_axes(intermediate, frame.rotation[0]))
    poses, seen = intermediate[0].to(device), frame.features[0].to(device)
    pieces = correct_clip(network.projector, poses, seen[..., :2], config, seen[..., 2])
    correction = join(piece.correction for piece in pieces)
    stages = correction.stages(poses).cpu()
    return Answer(_in_camera_axes(stages, frame.rotation[0]), correction)


@torch.inference_mode()
def refiner_answer(
    network: TpNet | LstmBaseline,
    base: TemporalConv,
    device: str,
    rays: np.ndarray,
    scores: np.ndarray,
) -> Answer:
    """TP-Net and its recurrent baselines: the poses of a single-frame network, and the refined."""
    frame = _normalised(rays, scores)
    ways = Ways(_ROLLS_DEG, device)
    pieces = frame.features.split(_FRAMES_AT_ONCE, dim=1)
    poses = torch.cat([base(ways.of(piece))[-1] for piece in pieces], dim=1)  # (V, G, J, 3)
    if isinstance(network, LstmBaseline) and not network.config.bidirectional:
        refined = _from_whole_past(network, poses)
    else:
        refined = refined_by_windows(network, poses)
    stages = ways.mean(torch.stack([poses, refined]))
    return Answer(_in_camera_axes(stages, frame.rotation[0]))


def recurrent_stages(network: Rpsm | PoseMachine, features: Tensor, ways: Ways) -> Tensor:
    """Stages (S, G, J, 3) of features (1, G, J, 3), each frame seen from both sides of time.

    The networks are trained on clips of ten frames. With a memory of hundreds they do worse: on
    motion that they do not know, what they remember leads them astray. So each block of `BLOCK`
    frames is answered twice, in clips of two blocks: after the block before it, and, played
    backwards, after the one behind it. The answer is the mean of both.
    """
    num_frames = features.shape[1]
    missing = -num_frames % BLOCK + (BLOCK if num_frames <= BLOCK else 0)
    padded = torch.cat([features, features[:, -1:].expand(-1, missing, -1, -1)], dim=1)
    num_clips = padded.shape[1] // BLOCK - 1
    pieces = []
    for start in range(0, num_clips, _CLIPS_AT_ONCE):
        stop = min(start + _CLIPS_AT_ONCE, num_clips)
        seen = ways.of(padded[:, start * BLOCK : (stop + 1) * BLOCK])  # (V, T, J, 3)
        clips = seen.unfold(1, 2 * BLOCK, BLOCK).movedim(-1, 2)  # (V, N, 2 BLOCK, J, 3)
        both = torch.stack([clips, clips.flip(2)])  # (2, V, N, 2 BLOCK, J, 3)
        stages = network(both.flatten(0, 2)).stages.unflatten(1, both.shape[:3])
        pieces.append(torch.stack([stages[:, 0], stages[:, 1].flip(3)]))
    forward, backward = torch.cat(pieces, dim=3)  # (S, V, N, 2 BLOCK, J, 3)
    forward = torch.cat([forward[:, :, 0, :BLOCK], forward[:, :, :, BLOCK:].flatten(2, 3)], dim=2)
    backward = torch.cat([backward[:, :, :, :BLOCK].flatten(2, 3), backward[:, :, -1, BLOCK:]], 2)
    return ways.mean(((forward + backward) / 2)[:, :, :num_frames])


def recurrent_stages_at(
    network: Rpsm | PoseMachine, features: Tensor, ways: Ways, sample: int
) -> Tensor:
    """`recurrent_stages` of one frame alone: (S, 1, J, 3)."""
    first, place = sample - sample % BLOCK, sample % BLOCK
    if first < BLOCK or first + 2 * BLOCK > features.shape[1]:  # the ends are seen otherwise
        near = slice(max(first - BLOCK, 0), first + 2 * BLOCK)
        place = sample - near.start
        return recurrent_stages(network, features[:, near], ways)[:, [place]]
    seen = ways.of(features[:, first - BLOCK : first + 2 * BLOCK])
    both = torch.stack([seen[:, : 2 * BLOCK], seen[:, BLOCK:].flip(1)])  # (2, V, 2 BLOCK, J, 3)
    stages = network(both.flatten(0, 1)).stages.unflatten(1, both.shape[:2])
    forward, backward = stages[:, 0, :, BLOCK + place], stages[:, 1, :, 2 * BLOCK - 1 - place]
    return ways.mean(((forward + backward) / 2)[:, :, None])


def refined_by_windows(network: TpNet | LstmBaseline, poses: Tensor) -> Tensor:
    """Refined poses (V, G, J, 3) of a network that sees a window around each frame."""
    before, after = network.config.padding
    num_frames = poses.shape[1]
    pieces = []
    for start in range(0, num_frames, _WINDOWS_AT_ONCE):
        stop = min(start + _WINDOWS_AT_ONCE, num_frames)
        first = max(0, start - before)
        # The network repeats the end frames. Where a piece is cut, only frames beyond it see that.
        refined = network(poses[:, first : stop + after])[-1]
        pieces.append(refined[:, start - first : stop - first])
    return torch.cat(pieces, dim=1)


def _from_whole_past(network: LstmBaseline, poses: Tensor) -> Tensor:
    """Refined poses (V, G, J, 3) of a network that remembers, the state handed on."""
    state, pieces = None, []
    for piece in poses.split(_WINDOWS_AT_ONCE, dim=1):
        refined, state = network.go_on(piece, state)
        pieces.append(refined)
    return torch.cat(pieces, dim=1)


def _normalised(rays: np.ndarray, scores: np.ndarray) -> RayFrame:
    return normalise_rays(
        torch.from_numpy(rays.astype(np.float32))[None],
        torch.from_numpy(scores.astype(np.float32))[None],
    )


def _in_camera_axes(stages: Tensor, rotation: Tensor) -> np.ndarray:
    """Stages (S, G, J, 3) in the axes of turned cameras, turned back by (G, 3, 3)."""
    return (stages @ rotation).double().numpy()
