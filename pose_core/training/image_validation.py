"""What held-out rendered people say of an image network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.losses.structure import illegal_joints
from pose_core.metrics.pose_error import mpjpe, pa_mpjpe
from pose_core.metrics.structure import side_difference_mm
from pose_core.skeleton import H36M_17, MPII_16, joint_map
from pose_core.training.batches import TrainingData
from pose_core.training.image_data import network_images

_AT_ONCE = 32
_NUM_EXAMPLES = 8
# PCKh of Andriluka et al. 2014: within half the length of the head.
_HEAD_SHARE = 0.5
_TO_MPII = joint_map(H36M_17, MPII_16)
_HEAD = [MPII_16.index("upper_neck"), MPII_16.index("head_top")]


@dataclass(frozen=True, eq=False)
class ImageAnswer:
    """What a network says of clips.

    Parameters
    ----------
    stages : (S, B, T, 17, 3) Tensor
        Root-relative poses, metres.
    keypoints : (B, T, 17, 2) Tensor, optional
        Half sides of the picture.
    """

    stages: Tensor
    keypoints: Tensor | None = None


# An image network in evaluation mode and pictures (B, T, 3, H, W) to its answer.
Answer = Callable[[nn.Module, Tensor], ImageAnswer]


@dataclass(frozen=True)
class HeldOutPeople:
    """Always the same people, rendered from movements that are not trained on.

    Parameters
    ----------
    data : TrainingData
    num_samples : int
    """

    data: TrainingData
    num_samples: int

    def batches(self) -> Iterator[dict[str, Tensor]]:
        """The samples, some at a time."""
        for first in range(0, self.num_samples, _AT_ONCE):
            count = min(_AT_ONCE, self.num_samples - first)
            yield self.data.draw(count, torch.Generator().manual_seed(first))

    def figures(self, network: nn.Module, answer: Answer, device: torch.device) -> dict[str, float]:
        """Errors and structure of the answers.

        Returns
        -------
        dict of str to float
            ``MPJPE stage k`` of all stages but the last; of the last ``MPJPE``, ``PA-MPJPE``,
            ``left/right difference`` of bone lengths (mm) and ``illegal angles %`` of elbows and
            knees; ``2D error %`` of the picture's side and ``PCKh %`` where the network gives
            keypoints.
        """
        found: dict[str, list[np.ndarray]] = {}
        for batch in self.batches():
            answered = answer(network, network_images(batch).to(device))
            stages = answered.stages.float().cpu().flatten(1, 2)  # (S, N, 17, 3)
            truth = batch["pose"].flatten(0, 1).numpy()
            values = {
                f"MPJPE stage {k + 1}": mpjpe(stage.numpy(), truth)
                for k, stage in enumerate(stages[:-1])
            }
            last = stages[-1].numpy()
            values |= {
                "MPJPE": mpjpe(last, truth),
                "PA-MPJPE": pa_mpjpe(last, truth),
                "left/right difference": side_difference_mm(last),
                "illegal angles %": 100.0 * illegal_joints(stages[-1]).numpy(),
            }
            if answered.keypoints is not None:
                seen = answered.keypoints.float().cpu().flatten(0, 1).numpy()
                values |= _figures_2d(seen, batch["keypoints"].flatten(0, 1).numpy())
            for name, value in values.items():
                found.setdefault(name, []).append(value)
        return {name: float(np.nanmean(np.concatenate(v))) for name, v in found.items()}

    def examples(
        self, network: nn.Module, answer: Answer, device: torch.device
    ) -> dict[str, np.ndarray]:
        """A few people, always the same, to look at.

        Returns
        -------
        dict of str to ndarray
            ``predicted`` (S, B, T, 17, 3) and ``true`` (B, T, 17, 3): root-relative, axes of the
            camera that looks at the middle of the crop, metres, float32; ``valid`` (B, T).
        """
        batch = self.data.draw(_NUM_EXAMPLES, torch.Generator().manual_seed(0))
        stages = answer(network, network_images(batch).to(device)).stages
        return {
            "predicted": stages.float().cpu().numpy(),
            "true": batch["pose"].numpy(),
            "valid": np.ones(batch["pose"].shape[:2], dtype=bool),
        }


def _figures_2d(seen: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Of keypoints (N, 17, 2) in half sides: error in % of the side, and PCKh, (N, 17) each."""
    error = np.linalg.norm(seen - truth, axis=-1)
    neck, top = _TO_MPII.apply(truth)[:, _HEAD].swapaxes(0, 1)
    head = np.linalg.norm(top - neck, axis=-1)[:, None]
    return {"2D error %": 50.0 * error, "PCKh %": 100.0 * (error < _HEAD_SHARE * head)}
