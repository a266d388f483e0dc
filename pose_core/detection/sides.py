"""Left and right that a detector exchanged, found and put right over time.

Detectors take the front of a person for the back in bursts of frames, and then name every joint
of the body, or of its upper or lower half, for the wrong side; where legs cross they may exchange
the legs alone. In a single picture this cannot be seen. Over time it can: an exchange makes the
named joints jump, and taking it back makes them move on.

The body is cut into four parts that may each be exchanged: shoulders with the head, arms, hips,
legs. Of all sequences of the sixteen combinations the one with the least cost is found by dynamic
programming (Viterbi over pairs of frames, so that speed counts: legs that cross move on).
The cost says that

- joints move on with (damped) speed, apart from jitter as large as is usual in this track;
- the detector is mostly right, so the naming of most frames wins;
- parts are mostly exchanged together, trunks are not twisted by half a turn, and upper arms and
  thighs are not longer than elsewhere in the track.
"""

from dataclasses import dataclass

import numpy as np

from pose_core.skeleton import BLAZEPOSE_33, Skeleton

# The parts, bits of a state: what is exchanged together. A joint belongs to the first part that
# has one of its words in its name.
PARTS = ("shoulders", "arms", "hips", "legs")
_WORDS = (
    ("shoulder", "eye", "ear", "mouth"),
    ("elbow", "wrist", "hand", "pinky", "index", "thumb"),
    ("hip",),
    ("knee", "ankle", "heel", "foot", "toe"),
)
_SHOULDERS, _ARMS, _HIPS, _LEGS = range(4)
_NUM_STATES = 16

# Pairs whose motion is the evidence of each part; hands and feet only repeat wrists and ankles.
_EVIDENCE = (("shoulder",), ("elbow", "wrist"), ("hip",), ("knee", "ankle"))

# Costs are negative log likelihoods, in nats.
_LEAST_JITTER = 0.02  # trunk lengths
_SPEED_MEMORY_S = 0.12  # speed is trusted over this time
_COST_OF_CHANGE, _COST_PER_PART = 2.0, 0.3  # of each change, however many parts; and per part
_COST_OF_EXCHANGE = 0.06  # per part and frame, for a sure frame
_COST_OF_PARTING = 0.4  # per frame and pair of neighbouring parts that differ
_COST_OF_TWIST, _CLEAR_TWIST = 2.0, 0.05  # per frame; in squared trunk lengths
_COST_OF_STRETCH, _CLEAR_STRETCH = 2.0, 0.2  # per frame; in trunk lengths
_NEIGHBOURS = ((_SHOULDERS, _HIPS), (_SHOULDERS, _ARMS), (_HIPS, _LEGS))
_HALF_WINDOW = 15  # frames
# A pair that in the middle of this time comes nearer than that share of how far it is apart (in
# trunk lengths, at least) in the frames around.
_COLLAPSE_S, _COLLAPSE_SHARE, _COLLAPSE_FROM = 0.1, 0.4, 0.3

KINDS = ("none", "whole", "upper", "lower", "arms", "legs", "other")
_KIND_OF_STATE = {0: 0, 0b1111: 1, 0b0011: 2, 0b1100: 3, 0b0010: 4, 0b1000: 5}


@dataclass(frozen=True, eq=False)
class SideCorrection:
    """Keypoints with sides put right.

    Parameters
    ----------
    xy : (T, J, 2) ndarray
    scores : (T, J) ndarray
    world : (T, J, 3) ndarray or None
        The detector's own 3D, exchanged like the 2D. Depth stays: on real video it is nearer to
        that of the frames around than mirrored depth.
    swapped_mask : (T,) bool ndarray
        Frames in which anything was exchanged.
    kinds : (T,) int ndarray
        Index into `KINDS`: what was exchanged.
    """

    xy: np.ndarray
    scores: np.ndarray
    world: np.ndarray | None
    swapped_mask: np.ndarray
    kinds: np.ndarray


def undo_side_swaps(
    xy: np.ndarray,
    scores: np.ndarray,
    times_s: np.ndarray,
    world: np.ndarray | None = None,
    skeleton: Skeleton = BLAZEPOSE_33,
) -> SideCorrection:
    """Find the frames in which left and right were exchanged, and put them right.

    Parameters
    ----------
    xy : (T, J, 2) ndarray
        Pixels; NaN where missing.
    scores : (T, J) ndarray
        0..1.
    times_s : (T,) ndarray
        Increasing; gaps are possible.
    world : (T, J, 3) ndarray, optional
        The detector's own 3D in camera axes.
    skeleton : Skeleton
        Must name shoulders, elbows, wrists, hips, knees and ankles of both sides.

    Returns
    -------
    SideCorrection
        New arrays of the types given.
    """
    states = _best_states(xy.astype(np.float64), scores, times_s, skeleton)
    exchanged = (states[:, None] >> np.arange(4)) & 1 == 1  # (T, 4)
    parts = _part_of_joints(skeleton)
    of_joint = np.where(parts >= 0, exchanged[:, np.maximum(parts, 0)], False)  # (T, J)
    mirror = skeleton.mirror_index
    return SideCorrection(
        np.where(of_joint[..., None], xy[:, mirror], xy),
        np.where(of_joint, scores[:, mirror], scores),
        None if world is None else np.where(of_joint[..., None], world[:, mirror], world),
        states != 0,
        np.array([_KIND_OF_STATE.get(state, len(KINDS) - 1) for state in states.tolist()], int),
    )


def _part_of_joints(skeleton: Skeleton) -> np.ndarray:
    """(J,) part of each joint; -1 for those in the middle."""
    parts = np.full(skeleton.num_joints, -1)
    for joint, name in enumerate(skeleton.joint_names):
        if skeleton.side(joint) == "middle":
            continue
        words = name.split("_")[1:]
        # "foot_index" is of the leg, "index" of the arm: legs are looked for first.
        for part in reversed(range(4)):
            if parts[joint] < 0 and set(words) & set(_WORDS[part]):
                parts[joint] = part
    return parts


def _pair(xy: np.ndarray, name: str, skeleton: Skeleton) -> np.ndarray:
    """(T, 2, 2) left and right joint of a name."""
    return xy[:, [skeleton.index(f"left_{name}"), skeleton.index(f"right_{name}")]]


def _best_states(
    xy: np.ndarray, scores: np.ndarray, times_s: np.ndarray, skeleton: Skeleton
) -> np.ndarray:
    """(T,) states of least cost; bit p says that part p was exchanged."""
    if len(xy) < 2:
        return np.zeros(len(xy), int)
    scale = _trunk_length(xy, skeleton)
    frame_costs = _frame_costs(xy, scores, scale, skeleton)
    motion_costs = _motion_costs(xy, scores, times_s, scale, skeleton)
    return _viterbi(frame_costs, motion_costs)


def _trunk_length(xy: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(T,) length of the trunk in pixels, a running median that bending does not shorten much."""
    middles = [_pair(xy, name, skeleton).mean(axis=1) for name in ("shoulder", "hip")]
    length = np.linalg.norm(middles[0] - middles[1], axis=1)
    if not np.isfinite(length).any():
        return np.ones(len(xy))
    usual = np.nanmedian(length)
    padded = np.pad(np.where(np.isfinite(length), length, usual), _HALF_WINDOW, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _HALF_WINDOW + 1)
    return np.maximum(np.median(windows, axis=1), 0.2 * usual)


def _motion_costs(
    xy: np.ndarray,
    scores: np.ndarray,
    times_s: np.ndarray,
    scale: np.ndarray,
    skeleton: Skeleton,
) -> np.ndarray:
    """(T, 4, 2, 2) cost of each part's step into each frame.

    The last axes say whether the naming of the previous frame, and of the one before it, differs
    from that of this frame.
    """
    step_s = np.maximum(np.diff(times_s, prepend=np.nan), 1e-3)
    usual_step_s = np.nanmedian(step_s)
    costs = np.zeros((len(xy), len(PARTS), 2, 2))
    for part, names in enumerate(_EVIDENCE):
        pairs = np.stack([_pair(xy, name, skeleton) for name in names], axis=1)  # (T, N, 2, 2)
        sure = np.stack([_pair(scores, name, skeleton) for name in names], axis=1)
        sure[1:] = np.minimum(sure[1:], sure[:-1])
        pairs = _with_collapses_bridged(pairs, times_s, scale)
        ways = np.zeros((2, 2, *sure.shape))
        for first in (0, 1):
            for second in (0, 1):
                expected = _expected(pairs, step_s, bool(first), bool(second))
                ways[first, second] = np.linalg.norm(pairs - expected, axis=-1)
        ways /= scale[:, None, None]
        jitter = max(_LEAST_JITTER, float(np.nanmedian(ways[0, 0, 1:])))
        longer = np.maximum(step_s / usual_step_s, 1.0)[:, None, None]
        surprise = sure * np.log1p((ways / (jitter * longer)) ** 2 / 2)
        costs[:, part] = np.moveaxis(np.nansum(surprise, axis=(-1, -2)), -1, 0)
    costs[0] = 0.0
    return costs


def _with_collapses_bridged(
    pairs: np.ndarray, times_s: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Pairs (T, N, 2, 2) that fall onto each other for one frame, held where they were before.

    On its way from one naming to the other a detector may put both joints between the two sides
    for a frame, and the exchange then is two small steps in place of one jump. Limbs that really
    cross do not come together and part again so fast.
    """
    apart = np.linalg.norm(pairs[:, :, 0] - pairs[:, :, 1], axis=-1) / scale[:, None]  # (T, N)
    bridged = pairs.copy()
    if len(pairs) < 3:
        return bridged
    around = np.minimum(apart[:-2], apart[2:])
    is_brief = (times_s[2:] - times_s[:-2] < _COLLAPSE_S)[:, None]
    collapsed = is_brief & (around > _COLLAPSE_FROM) & (apart[1:-1] < _COLLAPSE_SHARE * around)
    bridged[1:-1][collapsed] = pairs[:-2][collapsed]
    return bridged


def _expected(
    pairs: np.ndarray, step_s: np.ndarray, is_first_exchanged: bool, is_second_exchanged: bool
) -> np.ndarray:
    """Where pairs (T, N, 2, 2) are expected from the two frames before, exchanged or not."""
    before = np.full_like(pairs, np.nan)
    before[1:] = pairs[:-1, :, ::-1] if is_first_exchanged else pairs[:-1]
    two_before = np.full_like(pairs, np.nan)
    two_before[2:] = pairs[:-2, :, ::-1] if is_second_exchanged else pairs[:-2]
    earlier_step_s = np.concatenate([[np.nan], step_s[:-1]])
    trusted = np.exp(-step_s / _SPEED_MEMORY_S) * step_s / earlier_step_s
    moved = (before - two_before) * trusted[:, None, None, None]
    return before + np.nan_to_num(moved)


def _frame_costs(
    xy: np.ndarray, scores: np.ndarray, scale: np.ndarray, skeleton: Skeleton
) -> np.ndarray:
    """(T, 16) cost of each state in each frame by itself."""
    bits = (np.arange(_NUM_STATES)[:, None] >> np.arange(len(PARTS))) & 1  # (16, 4)
    sure = np.mean(
        [_pair(scores, name, skeleton).mean(axis=1) for name in ("shoulder", "hip")], axis=0
    )
    parted = [bits[:, a] ^ bits[:, b] for a, b in _NEIGHBOURS]  # (16,) each
    costs = _COST_OF_EXCHANGE * sure[:, None] * bits.sum(axis=1)
    costs = costs + _COST_OF_PARTING * np.sum(parted, axis=0)

    pairs = {name: _pair(xy, name, skeleton) for name in ("shoulder", "elbow", "hip", "knee")}
    across = {name: pair[:, 0] - pair[:, 1] for name, pair in pairs.items()}
    alike = (across["shoulder"] * across["hip"]).sum(axis=1) / scale**2
    for is_parted, cost in (
        (parted[0], _twist_costs(alike)),
        (parted[1], _stretch_costs(pairs["shoulder"], pairs["elbow"], scale)),
        (parted[2], _stretch_costs(pairs["hip"], pairs["knee"], scale)),
    ):
        costs = costs + np.nan_to_num(np.where(is_parted, cost[:, 1:], cost[:, :1]))
    return costs


def _twist_costs(alike: np.ndarray) -> np.ndarray:
    """(T, 2) cost of a twisted trunk, as it is and with shoulders exchanged against hips.

    `alike` (T,) is the product of the lines through shoulders and hips, in trunk lengths.
    """
    signed = np.stack([alike, -alike], axis=1)
    return _COST_OF_TWIST * np.clip(-signed / _CLEAR_TWIST, 0.0, 1.0)


def _stretch_costs(roots: np.ndarray, ends: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(T, 2) cost of limbs longer than is usual, as they are and exchanged at the root.

    Parameters
    ----------
    roots, ends : (T, 2, 2) ndarray
        Shoulders and elbows, or hips and knees.
    scale : (T,) ndarray
    """
    lengths = [np.linalg.norm(roots - e, axis=-1).max(axis=1) for e in (ends, ends[:, ::-1])]
    relative = np.stack(lengths, axis=1) / scale[:, None]
    shorter = np.minimum(relative[:, 0], relative[:, 1])
    if not np.isfinite(shorter).any():
        return np.zeros_like(relative)
    limit = np.nanpercentile(shorter, 90)
    return _COST_OF_STRETCH * np.clip((relative - limit) / _CLEAR_STRETCH, 0.0, 1.0)


def _viterbi(frame_costs: np.ndarray, motion_costs: np.ndarray) -> np.ndarray:
    """(T,) states of least total cost, by dynamic programming over pairs of states."""
    states = np.arange(_NUM_STATES)
    before, now, after = states[:, None, None], states[:, None], states
    differs_first, differs_second = _differing_parts(now, after), _differing_parts(before, after)
    num_changed = differs_first.sum(axis=0)
    change = _COST_OF_CHANGE * (num_changed > 0) + _COST_PER_PART * num_changed  # (16, 16)

    # total[a, b]: least cost of all sequences that end with states a, b.
    total = frame_costs[0][:, None] + frame_costs[1] + change
    for part in range(len(PARTS)):
        total = total + motion_costs[1, part][differs_first[part], 0]
    best_before = np.zeros((len(frame_costs), _NUM_STATES, _NUM_STATES), np.int8)
    for frame in range(2, len(frame_costs)):
        through = total[:, :, None] + change
        for part in range(len(PARTS)):
            through = through + motion_costs[frame, part][differs_first[part], differs_second[part]]
        best_before[frame] = through.argmin(axis=0)
        total = through.min(axis=0) + frame_costs[frame]
    path = np.zeros(len(frame_costs), int)
    path[-2:] = np.unravel_index(int(total.argmin()), total.shape)
    for frame in range(len(frame_costs) - 1, 1, -1):
        path[frame - 2] = best_before[frame, path[frame - 1], path[frame]]
    return path


def _differing_parts(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(4, ...) 0 or 1: whether two states (broadcast) differ in each part."""
    return np.stack([((a ^ b) >> part) & 1 for part in range(len(PARTS))])
