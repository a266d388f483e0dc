"""ASF and AMC: small files whose answers are worked out by hand, and a slow independent reader."""

import io
import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_core.errors import ExportError
from pose_core.interchange.amc import load_amc, load_asf, read_amc, read_asf

BONES = {
    # name: parent, direction, length, axis, order, degrees of freedom
    "femur": ("root", (0, -1, 0), 4, (0, 0, 90), "XYZ", "rx ry rz"),
    "tibia": ("femur", (0, -1, 0), 3, (0, 0, 0), "XYZ", "rx"),
    "foot": ("tibia", (0, -3, 4), 2, (20, -30, 40), "ZYX", "rz rx"),
    "toes": ("foot", (0, 0, 1), 1, (10, 0, 0), "XYZ", ""),
    "back": ("root", (0, 2, 0), 5, (0, 25, 15), "YZX", "ry rz rx"),
}


def asf_text(angle: str = "deg", scale: float = 1.0) -> str:
    lines = ["# made by hand", ":version 1.10", ":name SMALL", ":units", "  mass 1.0"]
    lines += ["  length 0.45", f"  angle {angle}", ":documentation", "  begin end root free text"]
    lines += [":root", "  order TX TY TZ RX RY RZ", "  axis XYZ", "  position 0 10 0"]
    lines += ["  orientation 0 0 0", ":bonedata"]
    for i, (name, (_, direction, length, axis, order, dof)) in enumerate(BONES.items()):
        turn = " ".join(f"{scale * a:.12g}" for a in axis)
        lines += ["  begin", f"    id {i + 1}", f"    name {name}"]
        lines += [f"    direction {' '.join(map(str, direction))}", f"    length {length}"]
        lines += [f"    axis {turn}  {order}"]
        if dof:
            limits = " ".join("(-160.0 20.0)" for _ in dof.split())
            lines += [f"    dof {dof}", f"    limits {limits}"]
        lines += ["  end"]
    lines += [":hierarchy", "  begin", "    root femur back", "    femur tibia"]
    return "\n".join([*lines, "    tibia foot", "    foot toes", "  end", ""])


def amc_text(frames: list[dict[str, list[float]]], unit: str = ":DEGREES") -> str:
    lines = ["#!OML:ASF small", ":FULLY-SPECIFIED", unit]
    for number, frame in enumerate(frames, start=1):
        lines.append(str(number))
        lines += [f"{name} {' '.join(f'{v:.12g}' for v in row)}" for name, row in frame.items()]
    return "\n".join([*lines, ""])


def still() -> dict[str, list[float]]:
    """One frame in which nothing moves."""
    counts = {name: len(bone[5].split()) for name, bone in BONES.items()}
    return {"root": [0.0] * 6} | {name: [0.0] * n for name, n in counts.items() if n}


def positions(frames, unit=":DEGREES", asf=None):
    skeleton = read_asf(io.BytesIO((asf or asf_text()).encode()))
    points = read_amc(io.BytesIO(amc_text(frames, unit).encode()), skeleton)
    return points, {name: points.xyz[:, i] for i, name in enumerate(points.names)}


def slow_positions(frame: dict[str, list[float]]) -> dict[str, np.ndarray]:
    """One frame by 4 x 4 matrices, straight from the definition: C M C^-1 for each bone."""

    def turn(order: str, angles) -> np.ndarray:  # lower case: about fixed axes, the first first
        return Rotation.from_euler(order.lower(), angles, degrees=True).as_matrix()

    world = np.eye(4)
    world[:3, 3] = np.array([0, 10, 0]) + frame["root"][:3]
    world[:3, :3] = turn("xyz", frame["root"][3:])
    matrices, ends = {"root": world}, {"root": world[:3, 3]}
    for name, (parent, direction, length, axis, order, dof) in BONES.items():
        own = turn(order, axis)
        motion = np.eye(3)
        for channel, angle in zip(dof.split(), frame.get(name, []), strict=True):
            motion = turn(channel[1], angle) @ motion
        local, along = np.eye(4), np.eye(4)
        local[:3, :3] = own @ motion @ np.linalg.inv(own)
        along[:3, 3] = length * np.array(direction) / np.linalg.norm(direction)
        matrices[name] = matrices[parent] @ local @ along
        ends[name] = matrices[name][:3, 3]
    return ends


def test_at_rest_bones_lie_along_their_directions():
    points, at = positions([still()])
    assert np.allclose(at["root"], [[0, 10, 0]])
    assert np.allclose(at["femur"], [[0, 6, 0]])
    assert np.allclose(at["tibia"], [[0, 3, 0]])
    assert np.allclose(at["foot"], [[0, 3 - 2 * 3 / 5, 2 * 4 / 5]])  # 3-4-5
    assert np.allclose(at["back"], [[0, 15, 0]])
    assert math.isnan(points.fps)
    # One unit is 1 / 0.45 inch.
    assert points.metres_per_unit == pytest.approx(0.0254 / 0.45)


def test_turns_worked_out_by_hand():
    frame = still()
    # The femur's own x axis is the body's y axis (its axes are turned by 90 degrees about z), so
    # a turn about it leaves the femur where it is but carries the foot round.
    frame["femur"] = [90.0, 0.0, 0.0]
    frame["tibia"] = [0.0]
    _, at = positions([frame])
    assert np.allclose(at["femur"], [[0, 6, 0]])
    assert np.allclose(at["foot"], [[2 * 4 / 5, 3 - 2 * 3 / 5, 0]])  # z has become x
    # The femur's own y axis is the body's -x axis: -y goes to +z.
    frame["femur"] = [0.0, 90.0, 0.0]
    _, at = positions([frame])
    assert np.allclose(at["femur"], [[0, 10, 4]])
    assert np.allclose(at["tibia"], [[0, 10, 7]])
    # The tibia's axes are the body's: about x by 90 degrees, -y goes to -z.
    frame["femur"], frame["tibia"] = [0.0, 0.0, 0.0], [90.0]
    _, at = positions([frame])
    assert np.allclose(at["tibia"], [[0, 6, -3]])
    # The root turns everything about the body's z axis and shifts it.
    frame["tibia"], frame["root"] = [0.0], [1.0, 2.0, 3.0, 0.0, 0.0, 90.0]
    _, at = positions([frame])
    assert np.allclose(at["femur"], [[1 + 4, 12, 3]])
    assert np.allclose(at["back"], [[1 - 5, 12, 3]])


def random_frames(num_frames: int = 7) -> list[dict[str, list[float]]]:
    rng = np.random.default_rng(3)
    return [
        {name: list(rng.uniform(-170, 170, len(row))) for name, row in still().items()}
        for _ in range(num_frames)
    ]


def test_any_motion_agrees_with_the_slow_reader():
    frames = random_frames()
    _, at = positions(frames)
    for number, frame in enumerate(frames):
        for name, expected in slow_positions(frame).items():
            assert np.allclose(at[name][number], expected, atol=1e-6), name


def test_radians_and_degrees_mean_the_same():
    frames = random_frames(3)
    in_radians = [
        {k: row[:3] + [math.radians(v) for v in row[3:]] if k == "root" else
         [math.radians(v) for v in row] for k, row in frame.items()}
        for frame in frames
    ]  # fmt: skip
    points, _ = positions(frames)
    asf = asf_text("rad", math.radians(1))
    again, _ = positions(in_radians, ":RADIANS", asf)
    assert np.allclose(points.xyz, again.xyz, atol=1e-6)
    # Without a word in the AMC file, the unit of the skeleton holds.
    again, _ = positions(in_radians, ":FULLY-SPECIFIED", asf)
    assert np.allclose(points.xyz, again.xyz, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (":bonedata", ":bones", ":bonedata is missing"),
        ("length 3\n", "\n", "tibia has no length"),
        ("direction 0 -1 0", "direction 0 -1", "three numbers are expected for the direction"),
        ("name tibia", "name shin", "'shin' is not in the hierarchy"),
        ("root femur back", "root back", "'femur' is not in the hierarchy"),
        ("root femur back", "toes femur back", "hangs on no bone"),
        ("ZYX", "ZYZ", "'ZYZ' is no order of axes"),
        ("dof rx\n", "dof rx tx\n", "degrees of freedom 'rx tx'"),
        ("length 4", "length nan", "length of femur is not a usable number"),
        ("order TX TY", "order TX TX", "the order of its root"),
    ],
)
def test_damaged_skeletons_are_refused_in_words(tmp_path, old, new, says):
    assert old in asf_text()
    path = tmp_path / "damaged.asf"
    path.write_text(asf_text().replace(old, new, 1))
    with pytest.raises(ExportError, match=says) as caught:
        load_asf(path)
    assert "damaged.asf" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("tibia 0\n", "", "2 frames and 1 of 'tibia'"),
        ("tibia 0\n", "tibia 0 0\n", "'tibia' has 2 values in frame 1 in place of 1"),
        ("tibia 0\n", "shin 0\n", "'shin' in frame 1 is no bone"),
        ("tibia 0\n", "tibia 1e99\n", "tibia is not a usable number"),
        ("\n1\n", "\n", "1 frames and 2"),
    ],
)
def test_damaged_motion_is_refused_in_words(tmp_path, old, new, says):
    text = amc_text([still(), still()])
    assert old in text
    path = tmp_path / "damaged.amc"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ExportError, match=says):
        load_amc(path, read_asf(io.BytesIO(asf_text().encode())))


def test_mutated_files_raise_nothing_but_our_error():
    rng = np.random.default_rng(11)
    texts = [asf_text().encode(), amc_text(random_frames(2)).encode()]
    num_refused = 0
    for number in range(400):
        data = list(texts)
        mutated = bytearray(data[number % 2])
        if rng.random() < 0.3:
            mutated = mutated[: rng.integers(1, len(mutated))]
        for _ in range(rng.integers(1, 8)):
            mutated[rng.integers(len(mutated))] = rng.integers(256)
        data[number % 2] = bytes(mutated)
        try:
            read_amc(io.BytesIO(data[1]), read_asf(io.BytesIO(data[0])))
        except ExportError:
            num_refused += 1
    assert 100 < num_refused < 400
