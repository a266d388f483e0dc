"""Movements made by computation: the one of the bundled clip, and many to train and try with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pose_core.data.mocap import Motion, load_motions
from pose_core.data.skipping import SkipLog
from pose_core.synthesis import acts
from pose_core.synthesis.body import Body
from pose_core.synthesis.puppet import Build, Movement, build_of
from pose_core.synthesis.script import DEGREES, Script

FPS = 30
SAMPLE_SECONDS = 11.8
# The word that stands for these motions in place of a folder of motion capture.
BUNDLED = "bundled"
NUM_PEOPLE = 10
_SECONDS = 14.0
# Nobody stands like a statue: how far channels stray (degrees), and how often they turn (seconds).
_STRAY_DEG, _STRAY_EVERY_S = 1.2, (0.9, 1.8)


def sample_movement(build: Build) -> Movement:
    """The bundled clip: a walk past and towards the camera, a punch, a kick, a turn, a reach.

    The camera looks along +y. `FPS` frames per second for `SAMPLE_SECONDS`.
    """
    script = Script(build, heading=0.0, place=(-0.95, 0.75))
    fidget(script, SAMPLE_SECONDS, np.random.default_rng(4))
    script.wait(0.25)
    script.walk(4, step_m=0.75 * build.leg, turn=np.radians(-90), step_s=0.54, first="right")
    script.act(acts.on_side(acts.PUNCH, "right"))
    script.wait(1.15)
    script.act(acts.on_side(acts.HAND_TO_SHOULDER, "left"), speed=1.2)
    script.wait(1.35)
    script.act(acts.on_side(acts.KICK, "left"))
    script.wait(1.75)
    script.turn(np.radians(-360), num_steps=6, step_s=0.40)
    script.act(acts.on_side(acts.REACH, "left"), speed=1.15)
    return script.movement(FPS, SAMPLE_SECONDS)


def motions_from(data: Path, skipped: SkipLog | None = None) -> list[Motion]:
    """Motions of a folder (`load_motions`), or our own where the folder is called `BUNDLED`.

    Raises
    ------
    PoseStageError
        As `load_motions`.
    """
    return bundled_motions() if str(data) == BUNDLED else load_motions(data, skipped)


def bundled_motions(seed: int = 0) -> list[Motion]:
    """Everyday movements of several people, so that anybody can train without any data.

    Ten people of the shipped body model do each kind of movement once, at their own pace and size;
    subjects and actions are named, and `pose_core.data.mocap.DEFAULT_SPLIT` holds some out.

    Parameters
    ----------
    seed : int
        The same seed gives the same motions.
    """
    rng = np.random.default_rng([seed, 77])
    body = Body()
    shapes = rng.choice(len(body.shapes), NUM_PEOPLE, replace=False)
    motions = []
    for person, shape in enumerate(shapes):
        build = build_of(body, body.shapes[torch.as_tensor(int(shape))])
        for action, perform in KINDS.items():
            positions = _performed(build, perform, rng)
            motions.append(
                Motion(
                    name=f"{BUNDLED}_{person + 1:02}_{action.replace(' ', '_')}",
                    positions=positions.astype(np.float32),
                    fps=float(FPS),
                    action=f"{BUNDLED} {action}",
                    subject=f"{BUNDLED}_{person + 1:02}",
                    source=BUNDLED,
                )
            )
    return motions


def fidget(script: Script, seconds: float, rng: np.random.Generator, size: float = 1.0) -> None:
    """Let trunk, head and arms stray a little all the time."""
    for channel in DEGREES:
        times = np.cumsum(rng.uniform(*_STRAY_EVERY_S, int(seconds / _STRAY_EVERY_S[0]) + 2))
        values = rng.normal(0, _STRAY_DEG * size, len(times))
        keys = list(zip((times - times[0]).tolist(), values.tolist(), strict=True))
        script.act({channel: keys})


def _performed(
    build: Build, perform: "Callable[[Script, np.random.Generator], None]", rng: np.random.Generator
) -> np.ndarray:
    """Joints (T, 17, 3) of a person who does one kind of thing again and again."""
    script = Script(
        build,
        heading=rng.uniform(-np.pi, np.pi),
        stance_m=rng.uniform(0.08, 0.14),
        toe_out_deg=rng.uniform(2, 14),
    )
    fidget(script, _SECONDS + 5, rng, rng.uniform(1, 3))
    while script.now_s < _SECONDS:
        perform(script, rng)
        script.wait(rng.uniform(0.1, 0.6))
    return script.movement(FPS).positions


# --- kinds of movement ---------------------------------------------------------------------------


def _act(
    script: Script,
    rng: np.random.Generator,
    *options: acts.Act,
    both: float = 0.0,
    share: float = 1.0,
) -> None:
    """One of several acts, with a random side (or both), speed and size."""
    act = options[rng.integers(len(options))]
    if rng.random() < both:
        keys = acts.with_both(act)
    else:
        keys = acts.on_side(act, "left" if rng.random() < 0.5 else "right")
    speed = rng.uniform(0.75, 1.3)
    script.act(keys, speed=speed, size=rng.uniform(0.75, 1.1))
    script.wait(share * acts.length_s(act) / speed)


def _walk(script: Script, rng: np.random.Generator) -> None:
    script.walk(
        int(rng.integers(3, 9)),
        step_m=rng.uniform(0.55, 0.9) * script.build.leg,
        turn=rng.uniform(-1.6, 1.6),
        step_s=rng.uniform(0.45, 0.62),
        first="left" if rng.random() < 0.5 else "right",
    )


def _step_aside(script: Script, rng: np.random.Generator) -> None:
    """Sideways or backwards; the foot of that side goes first."""
    direction = (-1 if rng.random() < 0.5 else 1) * rng.uniform(0.4, 0.9) * np.pi
    script.walk(
        int(rng.integers(1, 4)),
        step_m=rng.uniform(0.25, 0.4) * script.build.leg,
        step_s=rng.uniform(0.45, 0.65),
        first="left" if direction > 0 else "right",
        sideways=direction,
    )


def _turn(script: Script, rng: np.random.Generator) -> None:
    angle = (-1 if rng.random() < 0.5 else 1) * rng.uniform(0.6, 2 * np.pi)
    steps = max(2, round(abs(angle) / rng.uniform(0.7, 1.1)))
    script.turn(angle, num_steps=steps, step_s=rng.uniform(0.36, 0.5))


def _lunge(script: Script, rng: np.random.Generator) -> None:
    side = "left" if rng.random() < 0.5 else "right"
    depth = rng.uniform(0.6, 1.1)
    script.act({"ahead": acts.bump(0.22 * depth, 0, 0.8, 1.4, 2.2),
                "crouch": acts.bump(0.14 * depth, 0, 0.9, 1.3, 2.2)})  # fmt: skip
    script.step(side, 0.62 * depth * script.build.leg, 0.0, duration_s=0.6)
    script.wait(0.8)
    script.step(side, 0.0, 0.0, duration_s=0.6)
    script.wait(0.3)


def _boxing(script: Script, rng: np.random.Generator) -> None:
    _act(script, rng, acts.PUNCH, share=rng.uniform(0.6, 1.0))


def _kicking(script: Script, rng: np.random.Generator) -> None:
    _act(script, rng, acts.KICK, acts.KNEE_LIFT)


def _reaching(script: Script, rng: np.random.Generator) -> None:
    _act(script, rng, acts.REACH, acts.ARM_UP, acts.ARM_OUT, acts.HAND_TO_SHOULDER, both=0.3)


def _greeting(script: Script, rng: np.random.Generator) -> None:
    _act(script, rng, acts.WAVE, acts.WAVE, acts.HANDS_ON_HIPS, both=0.15)


def _exercise(script: Script, rng: np.random.Generator) -> None:
    _act(script, rng, acts.TWIST, acts.SIDE_BEND, acts.KNEE_LIFT, acts.ARM_OUT)


def _squatting(script: Script, rng: np.random.Generator) -> None:
    _act(script, rng, acts.SQUAT, acts.SQUAT, acts.PICK_UP)


def _sitting(script: Script, rng: np.random.Generator) -> None:
    _act(script, rng, acts.SIT)


def _everything(script: Script, rng: np.random.Generator) -> None:
    """Acts one after the other, half of them while walking or turning."""
    alone = (_lunge, _step_aside, _squatting, _sitting, _kicking, _boxing)
    if rng.random() < 0.5:
        alone[rng.integers(len(alone))](script, rng)
        return
    act = (_reaching, _greeting)[rng.integers(2)]
    before = script.now_s
    act(script, rng)
    script.now_s = before
    (_walk, _turn)[rng.integers(2)](script, rng)


KINDS: dict[str, Callable[[Script, np.random.Generator], None]] = {
    "walk": _walk,
    "step aside": _step_aside,
    "turn": _turn,
    "lunge": _lunge,
    "punch": _boxing,
    "kick": _kicking,
    "reach": _reaching,
    "wave": _greeting,
    "twist and bend": _exercise,
    "squat": _squatting,
    "sit": _sitting,
    "mixed": _everything,
}
