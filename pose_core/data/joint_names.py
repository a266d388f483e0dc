"""What programs and laboratories call the joints, and which of them are in a file.

A name is read as a side and a stem: ``LeftUpLeg``, ``lThigh``, ``thigh_l``, ``Bip01 L Thigh`` and
``CC_Base_L_Thigh`` all have a side and one of the stems of a thigh. The same stem may mean another
joint elsewhere (``LeftShoulder`` is a collar bone in one convention and the shoulder joint in
another), so a file is read by one convention as a whole: the one of which it has most joints.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from pose_core.errors import DataError
from pose_core.interchange.retarget import BVH_NAMES, BVH_OF_H36M
from pose_core.skeleton import H36M_17

# The joints that a file must have; the others follow from these, or are refined by more names.
LIMB_JOINTS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
SIDES = ("left", "right")
NEEDED = tuple(f"{side}_{joint}" for side in SIDES for joint in LIMB_JOINTS)

# Written before every name by exporters.
_PREFIXES = ("mixamorig", "ccbase", "bip001", "bip01", "robot", "jbipc", "jbip", "actor")
_SIDE_AT_THE_END = re.compile(r"[ ._-]([lr])$", re.IGNORECASE)


class MissingJoints(DataError):
    """Joints cannot be found by their names.

    Parameters
    ----------
    message, hint : str
    joints : tuple of str
        Canonical joints that were not found.
    names : tuple of str
        All that the file has.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        joints: tuple[str, ...] = (),
        names: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint)
        self.joints = joints
        self.names = names


# What a canonical joint is: a weight for each point of the file.
Recipe = Mapping[str, float]


@dataclass(frozen=True)
class Naming:
    """One convention.

    Parameters
    ----------
    name : str
        Who names joints like this.
    limbs : tuple of str
        Stems of hip, knee, ankle, shoulder, elbow and wrist; alternatives are separated by ``|``.
    toe : str
        Stems of the ball or tip of the foot, which tells where a person looks.
    spine : str
        Names along the back, from below, without pelvis and neck.
    neck_base, head, head_end : str
        Names of the lower end of the neck, the joint of head and neck, and the top of the head.
    """

    name: str
    limbs: tuple[str, str, str, str, str, str]
    toe: str = "toebase|toe|toes|toeend"
    spine: str = ""
    neck_base: str = "neck|neck1|neck01"
    head: str = "head"
    head_end: str = "headtopend|headend|headtop|headnub"


NAMINGS = (
    Naming(
        "joints by their own names (PoseStage, Human3.6M, CMU BVH, Xsens, SMPL, Kinect)",
        ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"),
        toe="toe|foot|bigtoe",
        spine="spine|lowerback|chest|spine1|chest2|spine2|chest3|spine3|chest4",
        neck_base="thorax|lowerneck|neck",
        head="head|neck",
    ),
    Naming(
        "Pose2Sim, OpenPose, COCO (Head is the top of the head)",
        ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"),
        toe="bigtoe",
        head="nose",
        head_end="head",
    ),
    Naming(
        "OpenSim models",
        ("hip", "knee", "ankle", "acromial|shoulder", "elbow", "radiushand"),
        toe="mtp",
        spine="back",
    ),
    Naming(
        "MotionBuilder, Mixamo, Rokoko, Perception Neuron",
        ("upleg|thigh", "leg|shin", "foot", "arm", "forearm", "hand"),
        spine="spine|spine1|spine2|spine3|spine4|chest",
    ),
    Naming(
        "DAZ and Poser",
        ("thigh|thighbend", "shin", "foot", "shldr|shldrbend", "forearm|forearmbend", "hand"),
        toe="toe|footend",
        spine="abdomen|abdomenlower|abdomen2|abdomenupper|chest|chestlower|chestupper",
        neck_base="neck|necklower",
    ),
    Naming(
        "iClone, 3ds Max Biped, Unreal",
        ("thigh", "calf", "foot", "upperarm", "forearm|lowerarm", "hand"),
        toe="toebase|toe0|ball",
        spine="waist|spine|spine01|spine1|spine02|spine2|spine03|spine3",
        neck_base="necktwist01|neck|neck01",
    ),
    Naming(
        "Unity, VRM",
        ("upperleg", "lowerleg", "foot", "upperarm", "lowerarm", "hand"),
        spine="spine|chest|upperchest",
    ),
    Naming(
        "Blender, Rigify",
        ("thigh", "shin", "foot", "upperarm", "forearm", "hand"),
        spine="spine|spine001|spine002|spine003",
        neck_base="neck|spine004",
        head="head|spine006",
    ),
    Naming(
        "OptiTrack",
        ("thigh", "shin", "foot", "uarm", "farm", "hand"),
        spine="ab|chest",
    ),
    Naming(
        "CMU ASF (points at the ends of bones)",
        ("hipjoint", "femur", "tibia", "clavicle", "humerus", "radius"),
        toe="foot",
        spine="lowerback|upperback",
        neck_base="thorax",
        head="upperneck",
        head_end="",
    ),
    Naming(
        "Vicon Plug-in Gait, modelled joints",
        ("fep", "feo|fop", "tio", "hup|clo", "huo", "rao"),
        toe="",
        neck_base="",
        head="",
    ),
    Naming(
        "joint centres (HJC, KJC, AJC ...)",
        ("hjc", "kjc", "ajc", "sjc|shjc", "ejc", "wjc"),
        neck_base="c7t1|cjc|neck",
    ),
)


@dataclass(frozen=True)
class JointMatch:
    """Which points of a file make which joints.

    Parameters
    ----------
    naming : str
        Whose names they are.
    joints : dict
        For canonical joints that the file has, a weight for each of its points. The needed ones
        are always there; of the others what is known.
    spine_chain : tuple of str
        Points along the back, from below.
    toes, eyes : dict
        ``left`` and ``right`` where known.
    """

    naming: str
    joints: Mapping[str, Recipe]
    spine_chain: tuple[str, ...] = ()
    toes: Mapping[str, str] = field(default_factory=dict)
    eyes: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> dict[str, str]:
        """Points of the file by joint, as text for people."""
        return {
            joint: " + ".join(
                name if weight == 1 else f"{weight:g} {name}" for name, weight in recipe.items()
            )
            for joint, recipe in self.joints.items()
        }


def match_joints(names: Sequence[str]) -> JointMatch:
    """Find the joints in a file by their names.

    Raises
    ------
    DataError
        If some cannot be found: says which, and which names the file has.
    """
    return _match_joints(tuple(names))


@lru_cache(maxsize=64)  # the files of a folder mostly have the same names
def _match_joints(names: tuple[str, ...]) -> JointMatch:
    points = NameIndex(names)
    matches = [_all_seventeen(points), _own_bvh(names)]
    matches += [_match(points, naming) for naming in NAMINGS]
    best = max(matches, key=lambda match: len(match.joints))
    require(best, names)
    return best


def given_joints(recipes: Mapping[str, Recipe], names: Sequence[str]) -> JointMatch:
    """Take the joints as the user names them.

    Raises
    ------
    DataError
        If a joint or a point is not known, or a needed one is not named.
    """
    if unknown := [joint for joint in recipes if joint not in H36M_17.joint_names]:
        raise DataError(
            f"No joint is called {', '.join(unknown)}.",
            f"The joints are: {', '.join(H36M_17.joint_names)}.",
        )
    wanted = [name for recipe in recipes.values() for name in recipe]
    if absent := [name for name in wanted if name not in names]:
        raise DataError(f"The file has no {', '.join(absent)}.", _has(names))
    match = JointMatch("names given by the user", recipes)
    require(match, names)
    return match


def require(match: JointMatch, names: Sequence[str]) -> None:
    """Refuse a file in which a needed joint was not found, or joints of several people were."""
    missing = [joint for joint in NEEDED if joint not in match.joints]
    if missing:
        raise MissingJoints(
            f"Joints are missing: {', '.join(missing)} (read as: {match.naming}).",
            f'{_has(names)} Name the joints in a settings file: {{"joints": {{"left_hip": '
            '"NAME", ...}}.',
            tuple(missing),
            tuple(names),
        )
    used = {name for recipe in match.joints.values() for name in recipe}
    people = sorted({name.rpartition(":")[0] for name in used if ":" in name})
    if len(people) > 1:
        raise DataError(
            f"The points belong to several people: {', '.join(people)}.",
            "Name the joints of one of them in a settings file.",
        )


def _has(names: Sequence[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:60])
    return f"The file has: {shown}{' ...' if len(names) > 60 else ''}."


class NameIndex:
    """Names of a file, found again by side (``left``, ``right``, empty) and stem."""

    def __init__(self, names: Iterable[str]) -> None:
        self.by_reading: dict[tuple[str, str], str] = {}
        for name in names:
            for reading in _readings(name):
                self.by_reading.setdefault(reading, name)

    def find(self, side: str, stems: str) -> str | None:
        """The first of several stems, separated by ``|``, that the file has."""
        found = (self.by_reading.get((side, stem)) for stem in stems.split("|") if stem)
        return next((name for name in found if name is not None), None)

    def find_joint(self, joint: str) -> str | None:
        """The name of a joint that is called ``left_hip``, ``nose``, ``head_top`` here."""
        side, _, stem = joint.partition("_")
        if side not in SIDES:
            side, stem = "", joint
        return self.find(side, stem.replace("_", ""))


def _readings(name: str) -> list[tuple[str, str]]:
    """All (side, stem) that a name may mean; the side is empty for the middle."""
    plain = name.rpartition(":")[2]  # Character:LeftArm
    short = re.sub(r"[^a-z0-9]", "", plain.lower())
    for prefix in _PREFIXES:
        short = short.removeprefix(prefix) or short
    readings = [("", short)]
    for side in SIDES:
        if short.startswith(side):
            readings.append((side, short.removeprefix(side)))
        elif short.endswith(side):
            readings.append((side, short.removesuffix(side)))
        elif short[:1] == side[0]:
            readings.append((side, short[1:]))
        ending = _SIDE_AT_THE_END.search(plain)
        if ending and ending[1].lower() == side[0]:
            readings.append((side, short[:-1]))
    return readings


def _all_seventeen(points: NameIndex) -> JointMatch:
    """The canonical joints by their own names, also ``l_hip`` or ``Head Top``."""
    joints: dict[str, Recipe] = {}
    for joint in H36M_17.joint_names:
        if found := points.find_joint(joint):
            joints[joint] = {found: 1.0}
    toes = {side: toe for side in SIDES if (toe := points.find(side, "toe"))}
    is_complete = len(joints) == H36M_17.num_joints
    return JointMatch("the 17 joints by name", joints if is_complete else {}, (), toes)


def _own_bvh(names: Sequence[str]) -> JointMatch:
    """The skeleton that PoseStage writes: all joints are known."""
    is_own = set(names) == set(BVH_NAMES)
    joints = {joint: {name: 1.0} for joint, name in BVH_OF_H36M.items()} if is_own else {}
    return JointMatch("PoseStage BVH", joints)


def _match(points: NameIndex, naming: Naming) -> JointMatch:
    joints: dict[str, Recipe] = {}
    for side in SIDES:
        for joint, stems in zip(LIMB_JOINTS, naming.limbs, strict=True):
            if found := points.find(side, stems):
                joints[f"{side}_{joint}"] = {found: 1.0}
    for joint, stems in (
        ("thorax", naming.neck_base),
        ("neck", naming.head),
        ("head_top", naming.head_end),
    ):
        taken = [name for recipe in joints.values() for name in recipe]
        found = points.find("", stems)
        if found and found not in taken:
            joints[joint] = {found: 1.0}
    chain = (points.find("", stem) for stem in naming.spine.split("|") if stem)
    toes = {side: toe for side in SIDES if (toe := points.find(side, naming.toe))}
    eyes = {side: eye for side in SIDES if (eye := points.find(side, "eye"))}
    if "head" not in naming.head:
        eyes = {}  # they tell the turn of the head only beside its own joint
    return JointMatch(naming.name, joints, tuple(name for name in chain if name), toes, eyes)
