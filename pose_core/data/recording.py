"""A motion capture file with all that was found in it: joints, units, axes, sides, gaps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_core.data import mocap_checks as checks
from pose_core.data.body_joints import body_positions, limb_positions
from pose_core.data.joint_names import JointMatch, given_joints, match_joints
from pose_core.data.mocap_checks import Finding
from pose_core.data.mocap_files import UP_BY_CUSTOM, load_points, suffix_of
from pose_core.data.plug_in_gait import has_markers, joint_centres, without_subject
from pose_core.data.recording_settings import RecordingSettings
from pose_core.errors import DataError, PoseStageError
from pose_core.interchange.named_points import UNITS, NamedPoints
from pose_core.skeleton import H36M_17

AMC_FPS = 120.0  # of the CMU database; the format does not say
# Checks look at no more frames than this: enough to be sure, and quick.
CHECKED_FRAMES = 600


@dataclass(frozen=True, eq=False)
class Recording:
    """One motion capture file, understood.

    Parameters
    ----------
    path : Path
    naming : str
        Whose names its joints have.
    joints : dict
        What each joint is made of, as text.
    xyz : (T, 17, 3) float64 ndarray
        Human3.6M joints, metres, z up; NaN where not seen.
    fps : float
    units, up : str
        What was taken, and why.
    stature_m : float
    sides : SideEvidence
    bone_variation : dict
        See `mocap_checks.bone_variation`.
    findings : tuple of Finding
    labels : dict
        ``action``, ``subject`` and ``source``, where known.
    """

    path: Path
    naming: str
    joints: Mapping[str, str]
    xyz: np.ndarray
    fps: float
    units: str
    up: str
    stature_m: float
    sides: checks.SideEvidence
    bone_variation: Mapping[str, float]
    findings: tuple[Finding, ...]
    labels: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.xyz)

    def require_sound(self) -> None:
        """Raise DataError for the first serious finding."""
        for finding in self.findings:
            if finding.is_serious:
                raise DataError(f"{self.path}: {finding.text}", finding.hint)


def load_recording(path: Path, settings: RecordingSettings | None = None) -> Recording:
    """Read a file and find its joints, units, axes and sides.

    What cannot be right is told in `Recording.findings`, so that it can be looked at.

    Raises
    ------
    PoseStageError
        If the file cannot be read, or joints, unit or upward axis cannot be found.
    """
    try:
        return _Reading(path, settings or RecordingSettings()).recording()
    except PoseStageError as error:
        if str(path) in error.message:
            raise
        raise type(error)(f"{path}: {error.message}", error.hint) from error


class _Reading:
    """The steps from a file to a recording, with what each has found."""

    def __init__(self, path: Path, settings: RecordingSettings) -> None:
        self.path, self.settings = path, settings
        self.findings: list[Finding] = []
        self.file: NamedPoints = load_points(path)
        self.fps = self._fps()
        self.points = {name: self.file.xyz[:, i] for i, name in enumerate(self.file.names)}

    def recording(self) -> Recording:
        """Everything."""
        match = self._match()
        limbs = limb_positions(self.points, match)
        step = max(len(self.file.xyz) // CHECKED_FRAMES, 1)
        few = {name: xyz[::step] for name, xyz in limbs.items()}
        up, up_text = self._up(few)
        stature = checks.stature(few)
        metres, units_text = self._units(stature)
        turn = metres * checks.turn_to_z_up(up)
        toes = {side: self.points[name][::step] @ turn.T for side, name in match.toes.items()}
        few = {name: xyz @ turn.T for name, xyz in few.items()}
        sides = checks.side_evidence(few, toes, self.fps / step)
        xyz = body_positions(self.points, match, stature) @ turn.T
        if self._must_swap(sides):
            xyz = xyz[:, H36M_17.mirror_index]
        xyz = self._on_the_floor(xyz)
        variation = checks.bone_variation(xyz[::step])
        self._look_at_bones_and_gaps(xyz, variation)
        labels = dict(self.file.labels)
        labels |= {k: v for k in ("action", "subject") if (v := getattr(self.settings, k))}
        labels.setdefault("source", f"{suffix_of(self.path).split('.')[1].upper()}, {match.naming}")
        return Recording(
            path=self.path,
            naming=match.naming,
            joints=match.names(),
            xyz=xyz,
            fps=self.fps,
            units=units_text,
            up=up_text,
            stature_m=stature * metres,
            sides=sides,
            bone_variation=variation,
            findings=tuple(self.findings),
            labels=labels,
        )

    def _note(self, text: str, hint: str = "", *, is_serious: bool = False) -> None:
        self.findings.append(Finding(text, is_serious, hint))

    def _fps(self) -> float:
        if self.settings.fps is not None:
            return self.settings.fps
        if np.isnan(self.file.fps):
            self._note(
                f"The format has no frame rate; {AMC_FPS:g} per second are assumed.",
                "Give another with --fps.",
            )
            return AMC_FPS
        if not 0 < self.file.fps < 1e6:
            raise DataError(f"Its frame rate is {self.file.fps:g}.", "Give it with --fps.")
        return self.file.fps

    def _match(self) -> JointMatch:
        if self.settings.joints:
            return given_joints(self.settings.joints, self.file.names)
        try:
            return match_joints(self.file.names)
        except DataError:
            names = without_subject(self.file.names)
            if not has_markers(names):
                raise
        metres = self.settings.metres_per_unit
        metres = self.file.metres_per_unit if np.isnan(metres) else metres
        if metres is None:
            raise DataError(
                "Joint centres can be computed from its markers only when their unit is known.",
                "Give it with --units, for example --units mm.",
            )
        markers = {short: metres * self.points[name] for short, name in names.items()}
        centres, match = joint_centres(markers)
        self.points = {name: xyz / metres for name, xyz in centres.items()}
        return match

    def _up(self, limbs: checks.Limbs) -> tuple[str, str]:
        """Upward axis, and where it is known from."""
        evidence = checks.up_evidence(limbs)
        seen = f"{evidence.num_standing} frames of standing"
        if self.settings.up:
            if evidence.axis not in ("", self.settings.up):
                self._note(
                    f"In {seen} the head is towards {evidence.axis}, not {self.settings.up}."
                )
            return self.settings.up, f"{self.settings.up} (given)"
        said = self.file.up
        is_npz = suffix_of(self.path) == ".npz"
        if evidence.axis and said and evidence.axis != said:
            self._note(
                f"The file says that {said} is up, but in {seen} the head is towards "
                f"{evidence.axis}.",
                f"Give --up {evidence.axis} or --up {said}.",
                is_serious=is_npz,
            )
            return (said if is_npz else evidence.axis), f"{evidence.axis} (from {seen})"
        if evidence.axis:
            return evidence.axis, f"{evidence.axis} (from {seen})"
        custom = said or UP_BY_CUSTOM.get(suffix_of(self.path), "")
        if not custom:
            raise DataError(
                f"Which way is up is not known: the file does not say, and {seen} do not tell.",
                "Give it with --up, for example --up z.",
            )
        source = "the file says so" if said else "custom of the format"
        if not said:
            self._note(f"That {custom} is up could not be checked: nobody stands in it.")
        return custom, f"{custom} ({source}; {seen} do not tell)"

    def _units(self, stature: float) -> tuple[float, str]:
        """Metres per unit, and where they are known from."""
        fitting = checks.fitting_units(stature)
        given, said = self.settings.metres_per_unit, self.file.metres_per_unit
        low, high = checks.STATURE_M
        if not np.isnan(given):
            if not low <= stature * given <= high:
                self._note(f"With the units given the person is {stature * given:.3g} m tall.")
            return given, f"{self.settings.units} (given)"
        if said is not None and low <= stature * said <= high:
            return said, f"{_unit_name(said)} (the file says so, and the stature agrees)"
        would = f"A person in it would be {stature * said:.3g} m tall. " if said is not None else ""
        fits = f"{' or '.join(fitting)} would fit: --units {fitting[0]}." if fitting else ""
        if len(fitting) == 1 and said is None:
            return UNITS[fitting[0]], f"{fitting[0]} (found from the stature)"
        hint = f"{fits} Give another with --units, a name or metres per unit.".strip()
        if said is None:
            raise DataError(
                f"The unit is not known: legs and trunk make {stature:.4g} units.", hint
            )
        is_serious = not self.path.name.lower().endswith(".amc") or len(fitting) != 1
        self._note(f"{would}That is not of human size, so its unit is not as it says.", hint,
                   is_serious=is_serious)  # fmt: skip
        if not is_serious:  # in ASF files the unit of length means what one likes
            return UNITS[fitting[0]], f"{fitting[0]} (found from the stature)"
        return said, f"{_unit_name(said)} (the file says so, but the stature does not fit)"

    def _must_swap(self, sides: checks.SideEvidence) -> bool:
        seen = ", ".join(sides.seen) or "neither bent knees, toes nor walking are seen"
        if self.settings.swap_sides is not None:
            return self.settings.swap_sides
        if sides.verdict == "exchanged":
            self._note(
                f"Left and right are exchanged, or the axes are left-handed: {seen}.",
                "Exchange them with --swap-sides, or keep them with --no-swap-sides.",
                is_serious=True,
            )
        elif sides.verdict == "unknown":
            self._note(f"Left and right could not be checked: {seen}.")
        return False

    def _on_the_floor(self, xyz: np.ndarray) -> np.ndarray:
        """Shift somebody who does not stand near z = 0 onto it; other files may have any origin."""
        if suffix_of(self.path) == ".npz":
            return xyz
        ankles = [H36M_17.index("left_ankle"), H36M_17.index("right_ankle")]
        lower = xyz[:, ankles, 2].min(axis=1)
        lower = lower[np.isfinite(lower)]
        feet = float(np.percentile(lower, 5)) if len(lower) else 0.0
        low, high = checks.FEET_M
        if low <= feet <= high:
            return xyz
        self._note(f"The floor was {feet:.2f} m from the origin; it was moved there.")
        return xyz - [0, 0, feet - 0.08]

    def _look_at_bones_and_gaps(self, xyz: np.ndarray, variation: Mapping[str, float]) -> None:
        loose = [
            f"{joint} {100 * share:.0f} %"
            for joint, share in variation.items()
            if share > checks.LOOSE_BONE and joint.endswith(checks.LIMB_ENDS)
        ]
        if loose:
            self._note(f"Bones change their length (5 to 95 % of the frames): {', '.join(loose)}.")
        if num_jumps := int(checks.jumps(xyz, self.fps).sum()):
            self._note(
                f"In {num_jumps} frames a joint jumps faster than {checks.JUMP_M_PER_S:g} m/s: "
                "the recording is cut there."
            )
        if missing := int((~np.isfinite(xyz).all(axis=(1, 2))).sum()):
            self._note(f"In {missing} of {len(xyz)} frames joints are missing.")


def _unit_name(metres: float) -> str:
    names = [name for name, size in UNITS.items() if abs(size / metres - 1) < 1e-4]
    return names[0] if names else f"{metres:.6g} m"
