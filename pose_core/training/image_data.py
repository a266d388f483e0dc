"""What image networks are trained on: rendered people, and people of whom only 2D is known."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Generator, Tensor

from pose_core.data.skipping import SkipLog
from pose_core.errors import ConfigError
from pose_core.synthesis.people import PeopleConfig
from pose_core.training.annotations import annotated_people
from pose_core.training.batches import TrainingData
from pose_core.training.crops import AS_THEY_ARE, CropAugmentation, CropData
from pose_core.training.lifting_data import load_split
from pose_core.training.people_data import RenderedPeople, people_folders, stored_people


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """How pictures become samples.

    Parameters
    ----------
    rate_hz : float
        Frames per second of clips that are rendered live, and that the network sees.
    annotations : tuple of str
        Sessions, COCO keypoint files and MPII folders: people with 2D keypoints alone.
    share_2d : float
        Share of each batch of which only 2D is used. These are the annotated people; where there
        are none, rendered people whose depth is withheld.
    share_3d_known : float
        Share of the stored people whose depth is ever used; the others are there to be withheld.
        1 lets every person appear with and without depth.
    augmentation : CropAugmentation
        Of stored and annotated people. People rendered live are all different.
    validation_samples : int
        Held-out samples per validation.
    """

    rate_hz: float = 25.0
    annotations: tuple[str, ...] = ()
    share_2d: float = 0.5
    share_3d_known: float = 1.0
    augmentation: CropAugmentation = field(default_factory=CropAugmentation)
    validation_samples: int = 512

    def __post_init__(self) -> None:
        object.__setattr__(self, "annotations", tuple(self.annotations))
        if not 0 <= self.share_2d < 1 or not 0 < self.share_3d_known <= 1:
            raise ConfigError("share_2d must be in [0, 1) and share_3d_known in (0, 1].")
        if self.validation_samples < 1:
            raise ConfigError("A validation needs at least one sample.")


class MixedPeople:
    """People with 3D first, then those with 2D alone; see `pose_core.training.crops`.

    Parameters
    ----------
    with_3d, with_2d : TrainingData
        Those that are drawn for either part. Single frames are repeated to make clips.
    share_2d : float
        Of the samples, rounded to whole ones.
    """

    def __init__(self, with_3d: TrainingData, with_2d: TrainingData, share_2d: float) -> None:
        self._with_3d, self._with_2d, self._share_2d = with_3d, with_2d, share_2d

    def draw(self, num_samples: int, generator: Generator) -> dict[str, Tensor]:
        """A batch of both."""
        num_2d = round(self._share_2d * num_samples)
        batch = self._with_3d.draw(num_samples - num_2d, generator)
        if num_2d == 0:
            return batch
        flat = self._with_2d.draw(num_2d, generator)
        flat["pose"] = torch.full_like(flat["pose"], torch.nan)
        flat["has_3d"] = torch.zeros_like(flat["has_3d"])
        return {name: torch.cat([both, _as_long(flat[name], both)]) for name, both in batch.items()}


def _as_long(values: Tensor, other: Tensor) -> Tensor:
    """Single frames (B, 1, ...) as still clips of the other's length; all else as it is."""
    if values.ndim < 2 or values.shape[1] != 1:
        return values
    return values.expand(-1, other.shape[1], *values.shape[2:])


def load_image_data(
    data: Path, settings: ImageSettings, size: int, frames: int, skipped: SkipLog
) -> tuple[TrainingData, TrainingData]:
    """What to train on, and held-out people.

    Parameters
    ----------
    data : Path
        Folder of rendered people (see `pose_core.training.people_data`), or of motion capture
        from which people are rendered live; as for the other networks, DEFAULT_SPLIT says which
        movements are held out.
    settings : ImageSettings
    size, frames : int
        Side of the crops, pixels, and length of the clips.
    skipped : SkipLog
        Takes down what cannot be read.

    Raises
    ------
    PoseStageError
        If there are no people, or more than 1 % of them cannot be read.
    """
    augmentation = settings.augmentation
    if folders := people_folders(data):
        stored = stored_people(data, folders, "training", frames, skipped, settings.rate_hz)
        known = max(round(settings.share_3d_known * len(stored.paths)), 1)
        with_3d = CropData(stored, size, augmentation, skipped, range(known))
        others = range(known if known < len(stored.paths) else 0, len(stored.paths))
        with_2d = CropData(stored, size, augmentation, skipped, others)
        apart = stored_people(data, folders, "held-out", frames, skipped, settings.rate_hz)
        held_out = CropData(apart, size, AS_THEY_ARE, skipped)
    else:
        if settings.share_3d_known < 1:
            raise ConfigError(
                "People rendered live all have a known depth.",
                "Set share_3d_known to 1, or render a folder first: posestage synthesize.",
            )
        config = PeopleConfig(size=size, frames=frames, rate_hz=settings.rate_hz)
        training, unseen = load_split(data, skipped)
        with_3d = with_2d = RenderedPeople(training, config)
        held_out = RenderedPeople(unseen, config)
    if settings.annotations:
        people = annotated_people(settings.annotations, size, skipped)
        with_2d = CropData(people, size, augmentation, skipped)
    return MixedPeople(with_3d, with_2d, settings.share_2d), held_out


def network_images(batch: dict[str, Tensor]) -> Tensor:
    """Pictures (B, T, 3, H, W) of a batch as networks take them: RGB from 0 to 1."""
    return batch["images"].float() / 255
