"""Rendered people on disk: written by several processes, resumable, the same bytes for one seed.

A folder holds ``settings.json``, ``images/000000.jpg`` (``000000_1.jpg`` and so on for further
frames) and ``labels/00000.npz``, one for every 64 samples. A shard is done when its labels lie
there, for they are written last.
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch

from pose_core.array_files import DamagedArrays, read_arrays
from pose_core.atomic_file import atomic_write, make_folder
from pose_core.data.mocap import DEFAULT_SPLIT, Motion
from pose_core.errors import DataError
from pose_core.synthesis.movement import BUNDLED, motions_from
from pose_core.synthesis.people import PeopleBatch, PeopleConfig, PeopleSource

SHARD_SAMPLES = 64
# Pictures drawn at once; part of what a seed means.
_BATCH = 16
_JPEG_QUALITY = 95
_MAX_LABEL_BYTES = 50_000_000
# Everything of a batch but the pictures.
_LABELS = tuple(f.name for f in fields(PeopleBatch) if f.name not in ("images", "parts"))


@dataclass(frozen=True)
class WriteProgress:
    """Samples on disk so far, and in all."""

    done: int
    total: int


@dataclass(frozen=True, eq=False)
class StoredPeople:
    """Samples read back.

    Parameters
    ----------
    image_paths : list of list of Path
        For each sample, its frames.
    labels : dict of str to ndarray
        The fields of `PeopleBatch` with these names, and ``seed`` and ``index`` (B,).
    """

    image_paths: list[list[Path]]
    labels: dict[str, np.ndarray]


SPLITS = ("all", "training", "held-out")

_source: PeopleSource | None = None


def select_motions(mocap: Path, split: str) -> list[Motion]:
    """Motions below a folder (or "bundled"): all, those to train on, or those never trained on.

    Raises
    ------
    DataError
        If none is left, or one cannot be read.
    """
    motions = motions_from(mocap)
    if split != "all":
        held_out, training = DEFAULT_SPLIT.held_out(motions), DEFAULT_SPLIT.training(motions)
        motions = held_out if split == "held-out" else training
    if not motions:
        raise DataError(f"No motion below {mocap} belongs to the split {split!r}.")
    return motions


def write_people(
    mocap: Path,
    out: Path,
    config: PeopleConfig,
    *,
    num_samples: int,
    seed: int,
    split: str = "all",
    workers: int = 1,
) -> Iterator[WriteProgress]:
    """Write samples, or go on where an earlier call with the same settings stopped.

    Parameters
    ----------
    mocap, out : Path
        Folders of motion capture (or "bundled") and of the samples.
    config : PeopleConfig
    num_samples, seed : int
    split : str
        Which motions, one of `SPLITS`.
    workers : int
        Processes; the samples do not depend on it.

    Raises
    ------
    DataError
        If the motion cannot be read, the folder holds samples of other settings, or a file cannot
        be written.
    """
    make_folder(out / "images", DataError)
    make_folder(out / "labels", DataError)
    settings = {"seed": seed, "split": split, "motions": _fingerprint(mocap)}
    _check_settings(out, asdict(config) | settings)
    shards = range(-(-num_samples // SHARD_SAMPLES))
    sizes = {s: min(SHARD_SAMPLES, num_samples - s * SHARD_SAMPLES) for s in shards}
    todo = [s for s in shards if _num_stored(out, s) < sizes[s]]
    done = num_samples - sum(sizes[s] for s in todo)
    yield WriteProgress(done, num_samples)
    if not todo:
        return
    pool = ProcessPoolExecutor(
        max_workers=min(workers, len(todo)),
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(mocap, split, config),
    )
    try:
        running = {pool.submit(_write_shard, out, s, sizes[s], seed): s for s in todo}
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
                done += sizes[running.pop(future)]
            yield WriteProgress(done, num_samples)
    finally:
        pool.shutdown(cancel_futures=True)


def read_people(folder: Path) -> Iterator[StoredPeople]:
    """Read a folder shard by shard.

    Raises
    ------
    DataError
        If there are no labels, or they are damaged.
    """
    paths = sorted((folder / "labels").glob("*.npz"))
    if not paths:
        raise DataError(f"{folder} holds no rendered people.", "Run posestage synthesize first.")
    for path in paths:
        labels = _load_labels(path)
        frames = labels["keypoints"].shape[1]
        names = [[_image_name(int(i), f) for f in range(frames)] for i in labels["index"]]
        images = [[folder / "images" / name for name in sample] for sample in names]
        yield StoredPeople(images, labels)


def _load_labels(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as handle:
            labels = read_arrays(handle, _MAX_LABEL_BYTES)
    except (OSError, DamagedArrays) as exc:
        raise DataError(f"{path} cannot be read: {exc}.", "Delete it and write it again.") from exc
    if missing := {*_LABELS, "seed", "index"} - labels.keys():
        raise DataError(f"{path} lacks {', '.join(sorted(missing))}.", "Write it again.")
    return labels


def _fingerprint(mocap: Path) -> str:
    """Tells folders of motion apart by the names and sizes of their files."""
    if str(mocap) == BUNDLED:
        return BUNDLED
    names = sorted(f"{p.relative_to(mocap)} {p.stat().st_size}" for p in mocap.rglob("*.*"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _check_settings(out: Path, settings: dict[str, object]) -> None:
    """Write the settings, or compare them with those of the samples that are already there."""
    text = json.dumps(settings, indent=1, default=str, sort_keys=True)
    path = out / "settings.json"
    if not path.exists():
        with atomic_write(path, DataError) as file:
            file.write(text.encode())
    elif path.read_text(encoding="utf-8") != text:
        raise DataError(
            f"{out} holds samples that were made with other settings.",
            "Give the same options as then (settings.json), or choose another folder.",
        )


def _num_stored(out: Path, shard: int) -> int:
    """Samples of a shard that are on disk whole."""
    path = _label_path(out, shard)
    return len(_load_labels(path)["index"]) if path.exists() else 0


def _label_path(out: Path, shard: int) -> Path:
    return out / "labels" / f"{shard:05}.npz"


def _image_name(sample: int, frame: int) -> str:
    return f"{sample:06}_{frame}.jpg" if frame else f"{sample:06}.jpg"


def _start_worker(mocap: Path, split: str, config: PeopleConfig) -> None:
    """Once in each process: one thread each, or they would fight for the cores."""
    global _source
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _source = PeopleSource(select_motions(mocap, split), config)


def _write_shard(out: Path, shard: int, num_samples: int, seed: int) -> None:
    assert _source is not None
    parts: list[dict[str, np.ndarray]] = []
    first = shard * SHARD_SAMPLES
    for start in range(0, num_samples, _BATCH):
        batch = _source.batch(_BATCH, seed, (first + start) // _BATCH)
        count = min(_BATCH, num_samples - start)
        for sample in range(count):
            _write_images(out, first + start + sample, batch.images[sample].numpy())
        parts.append({name: getattr(batch, name)[:count].numpy() for name in _LABELS})
    labels = {name: np.concatenate([part[name] for part in parts]) for name in _LABELS}
    labels["index"] = np.arange(first, first + num_samples)
    labels["seed"] = np.full(num_samples, seed)
    with atomic_write(_label_path(out, shard), DataError) as file:
        np.savez_compressed(file, allow_pickle=False, **labels)


def _write_images(out: Path, sample: int, frames: np.ndarray) -> None:
    """Frames (T, 3, H, W) RGB as JPEG."""
    for index, frame in enumerate(frames):
        bgr = np.ascontiguousarray(frame.transpose(1, 2, 0)[:, :, ::-1])
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        with atomic_write(out / "images" / _image_name(sample, index), DataError) as file:
            file.write(data.tobytes())
