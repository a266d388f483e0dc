"""Session files of older versions, brought to the form of the present one step by step."""

import io
from collections.abc import Callable
from typing import Any

from pose_core.array_archive import ArchiveReader
from pose_core.array_files import read_arrays
from pose_core.session_parts import Arrays

Content = dict[str, Any]

MAX_ARRAY_BYTES = 8 * 1024**3
_OLD_NAMES = ["arrays.npz", "session.json"]


def read_packed_arrays(archive: ArchiveReader) -> Arrays:
    """The arrays of versions 1 and 2: one compressed ``.npz`` inside the zip.

    Raises
    ------
    ValueError, DamagedArrays
        If there is anything else in the zip, or it is damaged.
    """
    if sorted(archive.names) != _OLD_NAMES:
        raise ValueError(f"unexpected content {', '.join(archive.names)[:200]}")
    packed = archive.packed("arrays.npz", MAX_ARRAY_BYTES)
    return read_arrays(io.BytesIO(packed), MAX_ARRAY_BYTES)


def _truth_with_source(content: Content, arrays: Arrays) -> tuple[Content, Arrays]:
    """Version 1 had nothing but the poses of the truth."""
    poses = content["truth"]
    return content | {"truth": {"source": "", "poses": poses} if poses else None}, arrays


def _described_by_parts(content: Content, arrays: Arrays) -> tuple[Content, Arrays]:
    """Version 2 listed people and runs, and numbered the arrays of the runs."""
    arrays = dict(arrays)

    def facts(poses: dict[str, Any]) -> dict[str, Any]:
        return {key: poses[key] for key in ("skeleton", "is_root_estimated")}

    def described(track: dict[str, Any]) -> dict[str, Any]:
        runs = {}
        for run in track["runs"]:
            for name in ("stages", "root"):
                array = arrays.pop(f"{run['poses']['key']}.{name}")
                arrays[f"track{track['track_id']}.{name}.{run['model']}"] = array
            runs[run["model"]] = {"meta": run["meta"], **facts(run["poses"])}
        kept = {key: track[key] for key in ("name", "skeleton")}
        return {**kept, "models": list(runs), "runs": runs}

    truth = content["truth"]
    if truth is not None:
        found = {"source": truth["source"], "is_beside_clip": False}
        truth = {**found, **facts(truth["poses"])}
    session = {
        "focal_px": content["focal_px"],
        "body_height_m": content["body_height_m"],
        "truth": truth,
        "track_ids": [track["track_id"] for track in content["tracks"]],
        "tracks": {str(track["track_id"]): described(track) for track in content["tracks"]},
    }
    return {"clip": content["clip"], "session": session}, arrays


def _with_notes(content: Content, arrays: Arrays) -> tuple[Content, Arrays]:
    """Version 3 had no notes."""
    return content | {"session": content["session"] | {"notes": {}}}, arrays


# From one version to the next, keyed by the older one.
MIGRATIONS: dict[int, Callable[[Content, Arrays], tuple[Content, Arrays]]] = {
    1: _truth_with_source,
    2: _described_by_parts,
    3: _with_notes,
}
