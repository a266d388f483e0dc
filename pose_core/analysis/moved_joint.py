"""One joint of one pose that a temporal network sees is moved: what it answers then.

The experiment of which sensitivity is the average (Dabral et al. 2018, section 4.2, Fig. 5), for
one direction and one distance, by running the network and not by its derivative.
"""

from dataclasses import dataclass

import numpy as np
import torch

from pose_core.analysis.refiner_windows import PreparedRefiner


@dataclass(frozen=True, eq=False)
class MovedJoint:
    """Poses before and after, in camera axes, metres, pelvis of the pose before at the origin.

    Parameters
    ----------
    seen : (2, 17, 3) ndarray
        The pose of the input that is changed, and what it is changed to.
    answer : (2, 17, 3) ndarray
        What the network answers to the one and to the other.
    """

    seen: np.ndarray
    answer: np.ndarray

    @property
    def displacement(self) -> np.ndarray:
        """(17,) metres that each joint of the answer moves."""
        return np.linalg.norm(self.answer[1] - self.answer[0], axis=-1)


def strongest_direction(
    prepared: PreparedRefiner, frame: int, step: int, joint: int, answer_joint: int
) -> np.ndarray:
    """Where to move a joint of the input so that one of the answer moves most.

    The first right singular vector of the 3 x 3 block of the Jacobian; of its two signs the one
    whose largest coordinate is positive.

    Parameters
    ----------
    prepared : PreparedRefiner
    frame : int
        With the person.
    step : int
        Time of the input pose relative to the answer's.
    joint, answer_joint : int
        Of the input and of the answer.

    Returns
    -------
    (3,) float64 ndarray
        Unit vector in camera axes.
    """
    window = prepared.windows(np.array([frame])).requires_grad_()
    with torch.enable_grad():
        answer = prepared.network(window)[0, answer_joint]
    (rows,) = torch.autograd.grad(answer, window, torch.eye(3).to(answer), is_grads_batched=True)
    block = rows[:, 0, prepared.answer_index + step, joint]
    turned = np.linalg.svd(block.double().numpy())[2][0]
    direction = _rotation(prepared, frame, step).T @ turned
    return direction * np.sign(direction[np.abs(direction).argmax()])


def move_joint(
    prepared: PreparedRefiner, frame: int, step: int, joint: int, displacement: np.ndarray
) -> MovedJoint:
    """Move a joint of the input by a displacement (3,), camera axes, metres.

    Where the person was seen for less time than the network looks back, the first pose is
    repeated; only the one at `step` is moved.

    Parameters
    ----------
    prepared, frame, step, joint
        As in `strongest_direction`.
    displacement : (3,) ndarray
    """
    windows = prepared.windows(np.array([frame, frame]))
    rotation = _rotation(prepared, frame, step)
    index = prepared.answer_index + step
    windows[1, index, joint] += torch.from_numpy(rotation @ displacement).to(windows)
    with torch.no_grad():
        answers = prepared.network(windows)
    seen = windows[:, index]
    of_answer = _rotation(prepared, frame, 0)
    return MovedJoint(
        (seen - seen[0, 0]).double().numpy() @ rotation,
        (answers - answers[0, 0]).double().numpy() @ of_answer,
    )


def _rotation(prepared: PreparedRefiner, frame: int, step: int) -> np.ndarray:
    """(3, 3) camera to turned camera of the input pose at a step."""
    place = prepared.seen_from(np.array([frame]))[0, prepared.answer_index + step]
    return prepared.rotations[place]
