"""What a person does, written down act by act: steps of the feet, and keyframes for all else.

A channel is one degree of freedom. `DEGREES` and `METRES` name them; keyframes say what is added
to the resting value. Times are seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from pose_core.synthesis.puppet import SIDES, Build, Feet, Movement, pose_puppet

Keyframes = Sequence[tuple[float, float]]

# Resting values. Forward and to the person's left are positive; arms and shoulders: forward,
# outward, inward turn of the upper arm, bend of the elbow, bend of the wrist.
DEGREES: dict[str, float] = {
    "pelvis_turn": 0,
    "pelvis_pitch": 3,
    "pelvis_lean": 0,
    "chest_turn": 0,
    "chest_pitch": 1,
    "chest_lean": 0,
    "head_turn": 0,
    "head_nod": 2,
}
_ARM: dict[str, float] = {
    "flexion": 4,
    "abduction": 9,
    "twist": 12,
    "bend": 16,
    "wrist": 6,
    "forward": 0,
    "shrug": 0,
}
DEGREES |= {f"{side}_{name}": value for side in SIDES for name, value in _ARM.items()}
# Of the pelvis down, forward and to the left; of feet off their place on the floor. `busy` arms
# (1) do not swing with the steps.
METRES = ("crouch", "ahead", "sway", *(f"{side}_{name}" for side in SIDES
          for name in ("foot_ahead", "foot_up", "foot_out")))  # fmt: skip
_OTHERS = tuple(f"{side}_{name}" for side in SIDES for name in ("foot_pitch", "busy"))
_LEG_M = 0.8
_ROUNDING_S = 0.045
_CARRY_S = 0.17


@dataclass(frozen=True)
class Step:
    """One foot leaves the floor and comes down where the ball of the foot then stands.

    Parameters
    ----------
    side : str
    start_s, duration_s : float
    place : (float, float)
        World, metres.
    heading : float
        Radians from x.
    lift_m : float
        Height of the foot on its way.
    """

    side: str
    start_s: float
    duration_s: float
    place: tuple[float, float]
    heading: float
    lift_m: float = 0.07


class Script:
    """Collects what a person does, from standing at the origin.

    Parameters
    ----------
    build : Build
    heading : float
        Where the person faces at first, radians from x.
    place : (float, float)
        Where the person stands at first, metres.
    stance_m : float
        Half the distance of the feet.
    toe_out_deg : float
    """

    def __init__(
        self,
        build: Build,
        heading: float = 0.0,
        place: tuple[float, float] = (0.0, 0.0),
        stance_m: float = 0.10,
        toe_out_deg: float = 8.0,
    ) -> None:
        self.build = build
        self.now_s = 0.0
        self._place, self._heading = np.array(place, float), heading
        self._stance_m, self._toe_out = stance_m, np.radians(toe_out_deg)
        self._start = {side: self._footprint(side) for side in SIDES}
        self._steps: list[Step] = []
        self._keys: list[tuple[str, Keyframes]] = []

    # --- acts ------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Do nothing new for a while."""
        self.now_s += seconds

    def act(self, keys: Mapping[str, Keyframes], *, speed: float = 1.0, size: float = 1.0) -> None:
        """Let channels follow keyframes from now on, without waiting for their end.

        Parameters
        ----------
        keys : mapping of channel to keyframes
            (seconds from now at speed 1, what is added to the resting value at size 1); metres
            are those of a person whose legs measure 0.8 m.
        speed, size : float
        """
        for channel, frames in keys.items():
            # Long legs step further and crouch deeper.
            by = size * self.build.leg / _LEG_M if channel in METRES else size
            placed = [(self.now_s + t / speed, by * value) for t, value in frames]
            self._keys.append((channel, placed))

    def walk(
        self,
        num_steps: int,
        *,
        step_m: float = 0.62,
        turn: float = 0.0,
        step_s: float = 0.52,
        first: str = "left",
        sideways: float = 0.0,
    ) -> None:
        """Walk, and come to a stand with the feet side by side.

        Parameters
        ----------
        num_steps : int
        step_m, step_s : float
        turn : float
            Change of heading over the whole way, radians.
        first : str
            Side of the first step.
        sideways : float
            Direction of the way from the heading, radians; pi goes backwards.
        """
        side = first
        for k in range(num_steps + 1):
            is_last = k == num_steps
            self._heading += turn / num_steps * (not is_last)
            forward = self._heading + sideways - turn / num_steps / 2
            # The first and the last step are shorter, and the last one closes the feet.
            length = 0.0 if is_last else step_m * (0.75 if k == 0 else 1.0)
            self._place = self._place + length * np.array([np.cos(forward), np.sin(forward)])
            x, y, heading = self._footprint(side)
            self._steps.append(Step(side, self.now_s, 0.78 * step_s, (x, y), heading,
                                    0.06 if is_last else 0.05 + 0.05 * step_m))  # fmt: skip
            self.now_s += step_s
            side = "right" if side == "left" else "left"

    def turn(self, angle: float, *, num_steps: int = 4, step_s: float = 0.45) -> None:
        """Turn on the spot by stepping; to the left for positive angles, radians."""
        side = "left" if angle > 0 else "right"
        for k in range(num_steps):
            # Each foot goes ahead of the body by half a step.
            heading = self._heading + angle * min(1.0, (k + 1.5) / num_steps)
            x, y, heading = self._footprint(side, heading)
            self._steps.append(Step(side, self.now_s, 0.8 * step_s, (x, y), heading, 0.055))
            self.now_s += step_s
            side = "right" if side == "left" else "left"
        self._heading += angle
        x, y, heading = self._footprint(side)
        self._steps.append(Step(side, self.now_s, 0.8 * step_s, (x, y), heading, 0.045))
        self.now_s += step_s

    def step(self, side: str, forward_m: float, left_m: float, *, duration_s: float = 0.45) -> None:
        """Put one foot elsewhere, measured from its place in standing."""
        x, y, heading = self._footprint(side)
        x += forward_m * np.cos(self._heading) - left_m * np.sin(self._heading)
        y += forward_m * np.sin(self._heading) + left_m * np.cos(self._heading)
        self._steps.append(Step(side, self.now_s, duration_s, (x, y), heading))
        self.now_s += duration_s

    def _footprint(self, side: str, heading: float | None = None) -> tuple[float, float, float]:
        """Where the ball of a foot stands, and its heading, in standing."""
        heading = self._heading if heading is None else heading
        out = SIDES[side] * self._stance_m
        # The middle of the ankles is under the pelvis.
        ahead = -float(self.build.ankle[0]) - 0.04
        x = self._place[0] + ahead * np.cos(heading) - out * np.sin(heading)
        y = self._place[1] + ahead * np.sin(heading) + out * np.cos(heading)
        return float(x), float(y), heading + SIDES[side] * self._toe_out

    # --- the whole -------------------------------------------------------------------------------

    def movement(self, fps: float, seconds: float | None = None) -> Movement:
        """All that was written down, played from the beginning."""
        t = np.arange(round((self.now_s if seconds is None else seconds) * fps)) / fps
        told = self._channels(t, fps)
        return pose_puppet(self.build, self._feet(t, told, fps), told, fps)

    def _channels(self, t: np.ndarray, fps: float) -> dict[str, np.ndarray]:
        names = (*DEGREES, *METRES, *_OTHERS)
        told = {name: np.full(len(t), float(DEGREES.get(name, 0))) for name in names}
        for channel, frames in self._keys:
            times, values = zip(*frames, strict=True)
            told[channel] += PchipInterpolator(times, values)(np.clip(t, times[0], times[-1]))
        for channel, curve in told.items():
            told[channel] = gaussian_filter1d(curve, _ROUNDING_S * fps, mode="nearest")
        return told

    def _feet(self, t: np.ndarray, told: dict[str, np.ndarray], fps: float) -> Feet:
        ball, heading, pitch, load = {}, {}, {}, {}
        for side in SIDES:
            ball[side], heading[side], pitch[side], load[side] = self._foot(side, t)
        body = (heading["left"] + heading["right"]) / 2
        body = gaussian_filter1d(body, _CARRY_S * fps, mode="nearest")
        forward = np.stack([np.cos(body), np.sin(body)], axis=-1)
        left = np.stack([-np.sin(body), np.cos(body)], axis=-1)
        ankles = {
            side: ball[side][:, :2]
            + self.build.ankle[0]
            * np.stack([np.cos(heading[side]), np.sin(heading[side])], axis=-1)
            for side in SIDES
        }
        total = load["left"] + load["right"]
        centre = (
            sum(ankles[side] * (load[side] / total)[:, None] for side in SIDES) + 0.04 * forward
        )
        centre = gaussian_filter1d(centre, _CARRY_S * fps, axis=0, mode="nearest")
        for side, sign in SIDES.items():
            ball[side][:, :2] += forward * told[f"{side}_foot_ahead"][:, None]
            ball[side][:, :2] += sign * left * told[f"{side}_foot_out"][:, None]
            pitch[side] = pitch[side] + np.radians(told[f"{side}_foot_pitch"])
            # With the toes up, the heel carries the foot.
            heel = self.build.sole_m * np.sin(np.maximum(-pitch[side], 0))
            ball[side][:, 2] += told[f"{side}_foot_up"] + heel
        return Feet(ball, heading, pitch, centre, body)

    def _foot(self, side: str, t: np.ndarray) -> tuple[np.ndarray, ...]:
        """Ball (T, 3), heading, pitch and carried load (T,) of a foot over its steps."""
        x, y, angle = self._start[side]
        ball = np.tile([x, y, self.build.ball_m], (len(t), 1))
        heading, pitch, load = np.full(len(t), angle), np.zeros(len(t)), np.ones(len(t))
        for step in self._steps:
            if step.side != side:
                continue
            u = (t - step.start_s) / step.duration_s
            moved = ease(u)
            ball[:, 0] += moved * (step.place[0] - x)
            ball[:, 1] += moved * (step.place[1] - y)
            ball[:, 2] += step.lift_m * np.sin(np.pi * np.clip(u, 0, 1)) ** 2
            heading += moved * (step.heading - angle)
            length = np.hypot(step.place[0] - x, step.place[1] - y)
            ahead = np.cos(np.arctan2(step.place[1] - y, step.place[0] - x) - step.heading)
            strength = float(np.clip(length * ahead, 0, 1.1))
            # The heel rises before the swing, and is first to touch the floor after it.
            pitch += strength * 0.55 * np.exp(-(((u + 0.02) / 0.34) ** 2))
            pitch -= strength * 0.26 * np.exp(-(((u - 0.95) / 0.2) ** 2))
            load -= 0.8 * np.sin(np.pi * np.clip(u, 0, 1)) ** 2
            x, y, angle = *step.place, step.heading
        return ball, heading, pitch, load


def ease(u: np.ndarray) -> np.ndarray:
    """0 up to u = 0, 1 from u = 1 on, smooth between."""
    u = np.clip(u, 0.0, 1.0)
    return u**3 * (10 - 15 * u + 6 * u**2)
