"""Turn a training run into a model that can be chosen: a shipped one, or one of the user's own.

``python -m pose_core.training.publish RUN --name NAME --data DIR`` writes
``resources/weights/NAME.safetensors`` and its entry in the manifest, with the errors on held-out
motion that `posestage evaluate` measures. `add_user_model` is what the application calls.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from pose_core.atomic_file import atomic_write, make_folder
from pose_core.data.lifting_batches import MotionBank
from pose_core.data.mocap import DEFAULT_SPLIT, Motion
from pose_core.data.skipping import SkipLog
from pose_core.data.virtual_camera import CameraRange, sample_cameras
from pose_core.errors import DataError, PoseStageError, WeightsError
from pose_core.inference.evaluate import METRICS, MocapProtocol, evaluate_stages
from pose_core.inference.lifter import make_lifter
from pose_core.metrics.report import mean_error
from pose_core.models.baselines import LstmBaseline
from pose_core.models.entries import ModelEntry, read_entries
from pose_core.models.networks import NETWORKS
from pose_core.models.registry import check_user_model_name, manifest_path, save_user_model
from pose_core.models.temporal_conv import TemporalConv
from pose_core.progress import ProgressBar
from pose_core.synthesis.movement import motions_from
from pose_core.training.heatmap_pretraining import PRETRAINING_HEAD
from pose_core.training.image_data import ImageSettings
from pose_core.training.lifting_data import load_split
from pose_core.training.provenance import recipe_of, training_command
from pose_core.training.recipes import TASKS
from pose_core.training.run_folder import RunFolder

# What a command calls the data of shipped weights, and what it is.
_SHIPPED_MOTION = (
    "MOCAP",
    "CMU Graphics Lab Motion Capture Database and UI-PRMD, through virtual cameras",
)
_SHIPPED_PEOPLE = (
    "PEOPLE",
    "People rendered with MakeHuman bodies in movements of the CMU Graphics Lab Motion Capture "
    "Database and of UI-PRMD",
)
_STAGE_METRICS = ("MPJPE", "PA-MPJPE", "MPJVE")


@dataclass(frozen=True)
class Measuring:
    """How far the measuring of a model is; sequences are counted once for each kind of noise."""

    done: int
    total: int


def publish(
    run: Path,
    name: str,
    data: Path,
    folder: Path | None = None,
    history: str = "",
    caution: str = "",
) -> Generator[Measuring, None, ModelEntry]:
    """Put the result of a run among the shipped weights.

    Nothing is written before the generator has come to its end.

    Parameters
    ----------
    run : Path
        Run folder; its last checkpoint counts.
    name : str
    data : Path
        Motion capture; what the default split holds out measures the errors.
    folder : Path, optional
        With ``manifest.json``, made where missing; ``resources/weights`` by default.
    history : str
        What came before the run, where it did not start from random weights.
    caution : str
        What users should not expect of the model.

    Yields
    ------
    Measuring

    Returns
    -------
    ModelEntry

    Raises
    ------
    DataError
        If the run has no checkpoint, or nothing in `data` is held out.
    """
    entry, weights = _packed(run, name, is_shipped=True, history=history)
    motions = motions_from(data)
    held_out = DEFAULT_SPLIT.held_out(motions)
    if not held_out:
        raise DataError(f"Nothing below {data} is held out from training.")
    mean = mean_pose(DEFAULT_SPLIT.training(motions)).astype(float).round(4).tolist()
    entry = replace(entry, mean_pose=mean, caution=caution)
    if entry.lifts_keypoints:
        entry = replace(entry, metrics=(yield from _measure(entry, weights, held_out)))
    _ship(entry, weights, folder or manifest_path().parent)
    return entry


def add_user_model(run: Path, name: str) -> Generator[Measuring, None, ModelEntry]:
    """Make the result of a run one of the user's own models, by its best checkpoint.

    Its errors are measured as those of the shipped ones, which takes minutes. Where the run's data
    is gone or holds nothing out from training, they are those of the run's own validation.
    Nothing is written before the generator has come to its end.

    Parameters
    ----------
    run : Path
        Run folder.
    name : str
        What to call the model.

    Yields
    ------
    Measuring

    Returns
    -------
    ModelEntry

    Raises
    ------
    ConfigError
        If the name cannot be used.
    DataError
        If the run has no checkpoint, or one that is no model.
    WeightsError
        If it cannot be written.
    """
    check_user_model_name(name)
    entry, weights = _packed(run, name, is_shipped=False)
    if entry.lifts_keypoints and (held_out := _held_out(Path(entry.training_data))):
        entry = replace(entry, metrics=(yield from _measure(entry, weights, held_out)))
    return save_user_model(entry, weights)


def _held_out(data: Path) -> list[Motion]:
    """Motion that a run on this data has never seen; empty where there is none."""
    try:
        training, held_out = load_split(data, SkipLog())
    except PoseStageError:  # moved, or on a disk that is not there
        return []
    return [] if held_out is training else held_out


def _ship(entry: ModelEntry, weights: bytes, folder: Path) -> None:
    """Write the file of weights, then the manifest that names it."""
    make_folder(folder, WeightsError)
    manifest = folder / "manifest.json"
    others = read_entries(manifest) if manifest.exists() else {}
    values = {e.name: e.to_json() for e in (others | {entry.name: entry}).values()}
    with atomic_write(folder / entry.file, WeightsError) as file:
        file.write(weights)
    with atomic_write(manifest, WeightsError) as file:
        file.write((json.dumps(values, indent=1) + "\n").encode())


def mean_pose(motions: Iterable[Motion]) -> np.ndarray:
    """Mean (17, 3) of root-relative training poses over random cameras, metres."""
    generator = torch.Generator().manual_seed(0)
    world, _ = MotionBank(list(motions), 25.0).draw(20_000, 1, (1.0, 1.0), generator)
    cameras = sample_cameras(world[:, 0, 0], CameraRange(), generator)
    xyz = cameras.to_camera(world)[:, 0]
    return (xyz - xyz[:, :1]).mean(dim=0).numpy()


def _packed(
    run: Path, name: str, *, is_shipped: bool, history: str = ""
) -> tuple[ModelEntry, bytes]:
    """Entry and weights, with the run's own validation as the error.

    Shipped: of the last checkpoint, and without paths of this machine. Otherwise of the best one.
    """
    folder = RunFolder(run)
    config = folder.config()
    state = None if is_shipped else folder.load_checkpoint(best=True)
    state = state or folder.load_checkpoint()
    if config is None or state is None:
        raise DataError(f"{run} has no checkpoint.", "Let it train at least to its first one.")
    recipe = recipe_of(config)
    kind, settings = TASKS[recipe.kind].network, asdict(recipe.task)
    network = _network(kind, settings["network"], state["average"], run)
    weights = save(_stored_tensors(network), metadata={"format": "pt"})
    data, before = str(config.get("data", "")), str(config.get("start_from", ""))
    sees_pictures = isinstance(recipe.task.data, ImageSettings)
    shipped_name, shipped_data = _SHIPPED_PEOPLE if sees_pictures else _SHIPPED_MOTION
    command = training_command(
        recipe, *((shipped_name, before and "RUN_BEFORE") if is_shipped else (data, before))
    )
    steps = f"{state['step']} of {recipe.schedule.num_steps} steps"
    entry = ModelEntry(
        name=name,
        network=kind,
        config=settings["network"],
        file=f"{name}.safetensors",
        sha256=hashlib.sha256(weights).hexdigest(),
        rate_hz=float(settings.get("data", {}).get("rate_hz", 0.0)),
        skeleton="h36m17",
        preprocessing="crop" if sees_pictures else "ray_input",
        units="metres",
        training_data=shipped_data if is_shipped else data,
        licence="Apache-2.0" if is_shipped else "your own",
        command=f"{command} ({', '.join(filter(None, (steps, history)))})",
        paper=NETWORKS[kind].paper,
        num_parameters=sum(p.numel() for p in network.parameters()),
        metrics=_validation(run, state["step"]),
        is_baseline=_is_baseline(network),
        base=settings.get("lifter", ""),
    )
    return entry, weights


def _network(
    kind: str, config: Mapping[str, Any], weights: Mapping[str, Tensor], run: Path
) -> nn.Module:
    """The network with the weights of a checkpoint; refuses what cannot be a model."""
    network = NETWORKS[kind].build(config)
    # The head for pre-training was there for the time of training only.
    own = {k: v for k, v in weights.items() if not k.startswith(PRETRAINING_HEAD)}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        raise DataError(
            f"The checkpoint of {run} does not fit its settings: {error}.", "Choose another run."
        ) from error
    if not all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values()):
        raise DataError(
            f"{run} has gone astray: some of its weights are no numbers.",
            "Train again with a smaller learning rate.",
        )
    return network


def _stored_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Weights in half precision; statistics, of which there are few, as they are."""
    learnt = {name for name, _ in network.named_parameters()}
    return {
        name: (tensor.half() if name in learnt else tensor.float()).contiguous()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")  # a counter that nothing reads
    }


def _is_baseline(network: nn.Module) -> bool:
    """Whether a network is there to be compared with: sees single frames, or a plain LSTM."""
    if isinstance(network, TemporalConv):
        return network.config.receptive_field == 1
    return isinstance(network, LstmBaseline)


def _validation(run: Path, step: int) -> dict[str, Any]:
    """The last figures that the run itself measured up to a step."""
    figures: dict[str, float] = {}
    try:
        lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:  # half a line, of a process that was killed
            continue
        if event.get("validation") and event.get("step", 0) <= step:
            figures = event["validation"]
    if not figures:
        return {}
    return {"split": "the validation clips of its training", "unit": "mm", "validation": figures}


def _measure(
    entry: ModelEntry, weights: bytes, motions: list[Motion]
) -> Generator[Measuring, None, dict[str, Any]]:
    """Errors on held-out motion: all metrics of the last stage, and some of every stage."""
    out: dict[str, Any] = {"split": "subjects and actions not trained on", "unit": "mm"}
    with tempfile.TemporaryDirectory() as folder:
        with atomic_write(Path(folder) / entry.file, WeightsError) as file:
            file.write(weights)
        lifter = make_lifter(replace(entry, folder=Path(folder)))
    protocols = [MocapProtocol(noise=noise, num_views=1) for noise in ("none", "detector")]
    total = len(protocols) * len(motions)
    for k, protocol in enumerate(protocols):
        views = []
        for view in evaluate_stages(lifter.lift, motions, protocol):
            views.append(view)
            yield Measuring(k * len(motions) + len(views), total)
        stages = [list(stage) for stage in zip(*views, strict=True)]
        last = {m: round(mean_error(stages[-1], m), 2) for m in METRICS}
        out[f"noise_{protocol.noise}"] = last | {
            "protocol": asdict(protocol),
            "stages": {
                name: {m: round(mean_error(stage, m), 2) for m in _STAGE_METRICS}
                for name, stage in zip(lifter.stage_names, stages, strict=True)
            },
        }
    return out


def main() -> int:
    """Run `publish` from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folder", type=Path, help="in place of resources/weights")
    parser.add_argument("--history", default="", help="what came before the run")
    parser.add_argument("--caution", default="", help="what users should not expect of the model")
    options = parser.parse_args()
    work = publish(
        options.run, options.name, options.data, options.folder, options.history, options.caution
    )
    bar = ProgressBar(sys.stderr, "sequences")
    for measuring in _then_print(work):
        bar.update(measuring.done, measuring.total)
    return 0


def _then_print(work: Generator[Measuring, None, ModelEntry]) -> Iterator[Measuring]:
    entry = yield from work
    sys.stdout.write(json.dumps(entry.metrics, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
