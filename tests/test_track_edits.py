"""People split, merged and exchanged, against a version that goes frame by frame."""

from dataclasses import replace

import numpy as np
import pytest

from pose_core.analysis.track_edits import exchanged, merged, split, with_frames_of
from pose_core.errors import ConfigError
from pose_core.poses import SOURCE_USER, Keypoints2D, Poses3D
from pose_core.session import ModelRun, Track

T = 20


def person(track_id, present, models=("a",), stages=2):
    """Joints are numbers that nobody else has."""
    rng = np.random.default_rng(track_id)
    mask = np.isin(np.arange(T), present)
    xy = np.where(mask[:, None, None], rng.uniform(0, 300, (T, 17, 2)), np.nan)
    sources = np.where(mask[:, None], rng.integers(1, SOURCE_USER + 1, (T, 17)), 0)
    keypoints = Keypoints2D(xy, np.where(mask[:, None], 0.5, 0) * np.ones((T, 17)), sources=sources)
    runs = {}
    for model in models:
        poses = np.where(mask[:, None, None], rng.normal(size=(stages, T, 17, 3)), np.nan)
        root = np.where(mask[:, None], rng.normal(size=(T, 3)), np.nan)
        verdicts = {
            "steps": np.where(mask, track_id, -1).tolist(),
            "discarded_frames": [int(present[0])],
        }
        meta = {"model": model, "correction": verdicts, "who": track_id}
        meta["edits"] = [
            {"what": "move", "frames": [5, min(15, present[-1] + 1)], "joints": [track_id]}
        ]
        runs[model] = ModelRun(Poses3D(poses, root), meta)
    return Track(track_id, f"Person {track_id}", keypoints, runs, mask & (np.arange(T) % 3 == 0))


def frame_of(track, frame, models):
    """All that is known of one frame."""
    known = track.keypoints
    found = [known.xy[frame], known.scores[frame], np.asarray(known.sources)[frame]]
    for model in models:
        run = track.runs.get(model)
        if run is None:
            found.append(None)
            continue
        found += [run.poses.stages[:, frame], np.asarray(run.poses.root)[frame]]
        verdicts, edits = run.meta["correction"], run.meta.get("edits", [])
        found += [verdicts["steps"][frame], frame in verdicts["discarded_frames"]]
        found.append([e["joints"] for e in edits if e["frames"][0] <= frame < e["frames"][1]])
    return [*found, bool(track.swapped_mask[frame])]


def assert_frames(track, origins, models=("a",)):
    for frame, origin in enumerate(origins):
        for got, want in zip(
            frame_of(track, frame, models), frame_of(origin, frame, models), strict=True
        ):
            np.testing.assert_array_equal(got, want, err_msg=f"frame {frame}")


def test_every_frame_belongs_to_whom_it_should():
    a, b, nobody = person(1, range(14)), person(2, range(8, T)), person(3, [0])
    nobody = with_frames_of(nobody, None, np.ones(T, bool))
    assert not nobody.present_mask.any()

    first, second = split(a, 9, 7, "Eve")
    assert (first.track_id, first.name, second.track_id, second.name) == (1, "Person 1", 7, "Eve")
    assert_frames(first, [a] * 9 + [nobody] * 11)
    assert_frames(second, [nobody] * 9 + [a] * 11)
    assert first.runs["a"].meta["who"] == second.runs["a"].meta["who"] == 1

    x, y = exchanged(a, b, 11)
    assert (x.name, y.name) == (a.name, b.name)
    assert_frames(x, [a] * 11 + [b] * 9)
    assert_frames(y, [b] * 11 + [a] * 9)

    for prefers_other in (False, True):
        one = merged(a, b, prefers_other=prefers_other)
        assert (one.track_id, one.name) == (1, "Person 1")
        assert_frames(one, [a] * 8 + [b if prefers_other else a] * 6 + [b] * 6)

    again = merged(first, second, prefers_other=False)
    assert_frames(again, [a] * T)
    holes = np.arange(T) % 2 == 0
    assert_frames(with_frames_of(a, b, holes), [b if hole else a for hole in holes])


def test_3d_that_only_one_has_is_missing_in_frames_of_the_other():
    a, b = person(1, range(14)), person(2, range(8, T), models=("b",))
    one = merged(a, b, prefers_other=False)
    assert list(one.runs) == ["a", "b"]
    np.testing.assert_array_equal(one.runs["a"].poses.stages, a.runs["a"].poses.stages)
    poses = one.runs["b"].poses
    np.testing.assert_array_equal(poses.stages[:, 14:], b.runs["b"].poses.stages[:, 14:])
    assert np.isnan(poses.stages[:, :14]).all()
    assert np.isnan(np.asarray(poses.root)[:14]).all()
    assert one.runs["b"].meta["edits"][0]["frames"] == [14, 15]
    assert one.runs["b"].meta["correction"]["steps"] == [-1] * 14 + [2] * 6


def test_other_stages_are_refused_with_what_to_do():
    a, b = person(1, range(14)), person(2, range(8, T), stages=3)
    with pytest.raises(ConfigError, match=r"by a of one has 2 stages") as caught:
        merged(a, b, prefers_other=True)
    assert "3D Again" in caught.value.hint
    plain = replace(a, swapped_mask=None)
    assert merged(plain, replace(b, runs={}, swapped_mask=None), prefers_other=True)
