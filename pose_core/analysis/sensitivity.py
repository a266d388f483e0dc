"""Which joints of which frames a temporal network listens to (Dabral et al. 2018, Fig. 5).

Sensitivity is how far the joints of the answer move, on average, when one joint of one input
frame is moved in a random direction, per metre that it is moved. `perturbation_sensitivity`
measures it as the paper does. `jacobian_sensitivity` computes what that measurement tends to for
small movements and many directions, without random numbers and for less work.

Any function that maps windows ``(B, R, J, C)`` of R input frames to one pose ``(B, J, 3)`` can be
looked into: ``TpNet.pose_of_window``, or ``lambda windows: temporal_conv(windows)[-1][:, 0]``.
Networks must be in eval mode.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import elliprg
from torch import Tensor

from pose_core.errors import ConfigError

WindowNetwork = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Mean displacement of the answer per displacement of one input joint.

    Parameters
    ----------
    steps : (R,) int ndarray
        Time of each input frame relative to the answer's, 0 for the same frame, -1 before it.
    response : (R, J, J) float ndarray
        ``response[r, i, j]``: metres that joint j of the answer moves per unit that joint i of
        input frame r moves, averaged over directions and over the windows looked at.
    """

    steps: np.ndarray
    response: np.ndarray

    @property
    def over_time(self) -> np.ndarray:
        """(R, J) response of the mean joint to each input joint of each frame (Fig. 5a)."""
        return self.response.mean(axis=-1)

    def at(self, step: int) -> np.ndarray:
        """(J, J) input joint by joint of the answer at one time step (Fig. 5b: 0, 5c: -1).

        Raises
        ------
        ConfigError
            If the network does not see that step.
        """
        if step not in self.steps:
            raise ConfigError(f"The network sees steps {min(self.steps)} to {max(self.steps)}.")
        return self.response[list(self.steps).index(step)]


def capped_diagonal(matrix: np.ndarray) -> np.ndarray:
    """A (J, J) matrix for display, its diagonal no larger than anything beside it.

    "The self correlations (diagonal elements) are an order of magnitude larger and the colormap
    range has been capped" (Fig. 5).
    """
    beside = matrix[~np.eye(len(matrix), dtype=bool)]
    return np.minimum(matrix, beside.max())


def random_directions(
    count: int, windows: Tensor, generator: torch.Generator, num_axes: int = 3
) -> Tensor:
    """Unit vectors (count, num_axes), evenly distributed, on the device of the windows."""
    directions = torch.randn(count, num_axes, generator=generator, dtype=torch.float64)
    directions = directions / directions.norm(dim=-1, keepdim=True)
    return directions.to(windows)


@torch.no_grad()
def perturbation_sensitivity(
    network: WindowNetwork,
    windows: Tensor,
    directions: Tensor,
    *,
    answer_index: int,
    size: float = 0.01,
) -> Sensitivity:
    """Sensitivity measured by moving every joint of every input frame at random.

    Parameters
    ----------
    network : callable
        (B, R, J, C) windows to (B, J, 3) poses.
    windows : (F, R, J, C) Tensor
        Inputs to average over: one frame's window, or those of a range of frames.
    directions : (K, D) Tensor
        Unit vectors, see `random_directions`; D = 3 for poses, 2 for keypoints, whose score is
        left alone.
    answer_index : int
        Which frame of the window the answer is for: ``config.padding[0]``.
    size : float
        How far a joint is moved, in the unit of the windows (metres for poses).

    Returns
    -------
    Sensitivity
    """
    _, frames, joints, _ = windows.shape
    num_axes = directions.shape[-1]
    still = network(windows)
    response = torch.zeros(frames, joints, still.shape[-2], dtype=torch.float64)
    for frame in range(frames):
        for joint in range(joints):
            moved = windows.expand(len(directions), *windows.shape).clone()  # (K, F, R, J, C)
            moved[:, :, frame, joint, :num_axes] += size * directions[:, None]
            answers = network(moved.flatten(0, 1)).unflatten(0, moved.shape[:2])
            distance = (answers - still).norm(dim=-1)  # (K, F, J)
            response[frame, joint] = distance.mean(dim=(0, 1)) / size
    return Sensitivity(np.arange(frames) - answer_index, response.numpy())


def window_jacobians(network: WindowNetwork, windows: Tensor, chunk: int = 16) -> Tensor:
    """Exact derivatives (F, J, 3, R, J, C) of each window's answer by its input.

    Parameters
    ----------
    network : callable
        (B, R, J, C) windows to (B, J, 3) poses, each from its own window alone; made of
        operations for which PyTorch can batch the derivatives.
    windows : (F, R, J, C) Tensor
    chunk : int
        Windows at once.
    """
    return torch.cat([_jacobians(network, part) for part in windows.split(chunk)])


def _jacobians(network: WindowNetwork, windows: Tensor) -> Tensor:
    # Reverse mode: a pose has far fewer numbers than a window. All of them run backward together,
    # and all windows too, as none depends on another. Not by torch.func: that would import the
    # compiler of torch, which takes seconds.
    seen = windows.detach().requires_grad_()
    with torch.enable_grad():
        answers = network(seen)  # (F, J, 3)
    joints, axes = answers.shape[1:]
    rows = torch.eye(joints * axes).to(answers).view(-1, 1, joints, axes).expand(-1, *answers.shape)
    (found,) = torch.autograd.grad(answers, seen, rows, is_grads_batched=True)
    return found.transpose(0, 1).unflatten(1, (joints, axes))


def jacobian_sensitivity(
    network: WindowNetwork,
    windows: Tensor,
    *,
    answer_index: int,
    num_axes: int = 3,
    chunk: int = 16,
) -> Sensitivity:
    """Sensitivity to small movements in all directions, exact by the Jacobian.

    A joint of the answer moves by ``A d`` when an input joint moves by d, where A is a 3 x D
    block of the Jacobian. For d evenly distributed over the unit sphere, the mean of ``|A d|`` is
    ``R_G(s1, s2, s3)``, Carlson's symmetric elliptic integral of the squared singular values of
    A: written out, R_G *is* that mean. On the unit circle (D = 2) it is ``4 / pi R_G(0, s1, s2)``.

    Parameters
    ----------
    network, windows, answer_index
        As in `perturbation_sensitivity`.
    num_axes : int
        D: 3 for poses; 2 for keypoints, whose third feature is their score.
    chunk : int
        Windows at once.

    Returns
    -------
    Sensitivity

    References
    ----------
    NIST Digital Library of Mathematical Functions, 19.23.6_5 (sphere) and 19.23.2 (circle).
    """
    jacobians = window_jacobians(network, windows, chunk)[..., :num_axes]
    blocks = jacobians.movedim(2, -2).double().numpy(force=True)  # (F, J, R, J, 3, D)
    squares = np.linalg.eigvalsh(np.swapaxes(blocks, -1, -2) @ blocks).clip(min=0)
    if num_axes == 3:
        mean = elliprg(*np.moveaxis(squares, -1, 0))
    else:
        mean = 4 / np.pi * elliprg(0.0, *np.moveaxis(squares, -1, 0))
    response = np.moveaxis(mean.mean(axis=0), 0, -1)  # (R, J, J): input joint, joint of answer
    return Sensitivity(np.arange(windows.shape[1]) - answer_index, response)
