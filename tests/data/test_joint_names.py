"""Names of joints: every convention is found, and what cannot be mapped is refused in words."""

import pytest

from pose_core.data.joint_names import NEEDED, given_joints, match_joints
from pose_core.errors import DataError
from pose_core.interchange.retarget import BVH_NAMES
from pose_core.skeleton import H36M_17, MOCAP_21


def both(pattern: str, words: str) -> dict[str, str]:
    """Names of the needed joints: the pattern's {s} or {S} is the side, {w} the word."""
    sides = {"left": ("l", "L", "Left", "left"), "right": ("r", "R", "Right", "right")}
    joints = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    return {
        f"{side}_{joint}": pattern.format(s=s, S=S, Side=Side, side=low, w=word)
        for side, (s, S, Side, low) in sides.items()
        for joint, word in zip(joints, words.split(), strict=True)
    }


# What each program calls hips, knees, ankles, shoulders, elbows and wrists, among other names
# that must not mislead: collar bones, helpers, twist bones, fingers.
CONVENTIONS = {
    "Mixamo": (
        both("mixamorig:{Side}{w}", "UpLeg Leg Foot Arm ForeArm Hand"),
        "mixamorig:Hips mixamorig:LeftShoulder mixamorig:RightShoulder mixamorig:LeftToeBase "
        "mixamorig:LeftHandThumb1 mixamorig:Neck mixamorig:Head mixamorig:HeadTop_End",
    ),
    "Rokoko": (
        both("{Side}{w}", "Thigh Shin Foot Arm ForeArm Hand"),
        "Hips Spine Neck Head LeftShoulder RightShoulder LeftToe RightToe",
    ),
    "CMU BVH": (
        both("{Side}{w}", "Hip Knee Ankle Shoulder Elbow Wrist"),
        "Hips LHipJoint RHipJoint lowerback LeftCollar RightCollar lhand LFingers LThumb LeftToe",
    ),
    "DAZ": (
        both("{s}{w}", "Thigh Shin Foot Shldr ForeArm Hand"),
        "hip abdomen chest neck head leftEye rightEye lCollar rCollar lThumb1 lButtock rFoot_end",
    ),
    "Genesis 8": (
        both("{s}{w}", "ThighBend Shin Foot ShldrBend ForearmBend Hand"),
        "hip pelvis lThighTwist rThighTwist lShldrTwist abdomenLower neckLower head lCollar",
    ),
    "iClone": (
        both("CC_Base_{S}_{w}", "Thigh Calf Foot Upperarm Forearm Hand"),
        "CC_Base_Hip CC_Base_Pelvis CC_Base_L_CalfTwist01 CC_Base_R_ThighTwist01 CC_Base_Head "
        "CC_Base_L_ToeBase CC_Base_NeckTwist01 CC_Base_L_Clavicle",
    ),
    "3ds Max Biped": (
        both("Bip01 {S} {w}", "Thigh Calf Foot UpperArm Forearm Hand"),
        "Bip01 Bip01_Pelvis Bip01_Spine Bip01_L_Clavicle Bip01_Head Bip01_L_Toe0",
    ),
    "Unreal": (
        both("{w}_{s}", "thigh calf foot upperarm lowerarm hand"),
        "root pelvis spine_01 clavicle_l clavicle_r ball_l ball_r neck_01 head thigh_twist_01_l",
    ),
    "Unity": (
        both("{Side}{w}", "UpperLeg LowerLeg Foot UpperArm LowerArm Hand"),
        "Hips Spine Chest LeftShoulder RightShoulder LeftToes Head",
    ),
    "Blender": (
        both("{w}.{S}", "thigh shin foot upper_arm forearm hand"),
        "spine spine.001 shoulder.L shoulder.R toe.L toe.R pelvis.L breast.R",
    ),
    "OptiTrack": (
        both("Skeleton:{S}{w}", "Thigh Shin Foot UArm FArm Hand"),
        "Skeleton:Hip Skeleton:Ab Skeleton:Chest Skeleton:LShoulder Skeleton:RShoulder "
        "Skeleton:LToe Skeleton:Head",
    ),
    "CMU ASF": (
        both("{s}{w}", "hipjoint femur tibia clavicle humerus radius"),
        "root lfoot ltoes lowerback upperback thorax lowerneck upperneck head lwrist lhand rthumb",
    ),
    "Plug-in Gait joints": (both("Ann:{S}{w}", "FEP FEO TIO HUP HUO RAO"), "Ann:PELO Ann:LTOE"),
    "Pose2Sim": (
        both("{S}{w}", "Hip Knee Ankle Shoulder Elbow Wrist"),
        "Hip Neck Head Nose RBigToe LBigToe RHeel LSmallToe",
    ),
    "joint centres": (both("{S}{w}", "HJC KJC AJC SJC EJC WJC"), "C7"),
    "OpenSim": (both("{w}_{s}", "hip knee ankle acromial elbow radius_hand"), "mtp_l mtp_r back"),
    "Kinect": (both("{w}{Side}", "Hip Knee Ankle Shoulder Elbow Wrist"), "SpineBase Head HandLeft"),
    "SMPL": (both("{S}_{w}", "Hip Knee Ankle Shoulder Elbow Wrist"), "Pelvis L_Collar R_Hand"),
}


@pytest.mark.parametrize("program", CONVENTIONS)
def test_the_names_of_each_program_are_found(program):
    needed, others = CONVENTIONS[program]
    match = match_joints([*others.split(), *needed.values()])
    assert {joint: match.joints[joint] for joint in NEEDED} == {
        joint: {name: 1.0} for joint, name in needed.items()
    }


def test_our_own_skeletons_are_taken_whole():
    assert set(match_joints(BVH_NAMES).joints) == set(H36M_17.joint_names)
    assert match_joints(BVH_NAMES).joints["thorax"] == {"Neck": 1.0}
    for names in (H36M_17.joint_names, MOCAP_21.joint_names):
        match = match_joints(names)
        assert match.joints == {joint: {joint: 1.0} for joint in H36M_17.joint_names}


def test_what_is_missing_and_what_there_is_are_named():
    needed, _ = CONVENTIONS["Rokoko"]
    names = [name for joint, name in needed.items() if joint not in ("left_knee", "right_wrist")]
    with pytest.raises(DataError) as caught:
        match_joints(names)
    said = str(caught.value)
    assert "missing: left_knee, right_wrist" in said
    assert "LeftThigh" in said
    assert '"joints"' in said


def test_names_that_mean_nothing_are_refused():
    with pytest.raises(DataError, match="missing: left_hip, left_knee"):
        match_joints(["*1", "*2", "Sword"])


def test_joints_of_two_people_are_not_mixed():
    needed, _ = CONVENTIONS["Plug-in Gait joints"]
    names = [n.replace("Ann", "Bob") if "RRAO" in n else n for n in needed.values()]
    with pytest.raises(DataError, match="several people: Ann, Bob"):
        match_joints(names)


def test_the_user_may_name_the_joints():
    names = [f"n{i}" for i in range(13)]
    recipes = {joint: {names[i]: 1.0} for i, joint in enumerate(NEEDED)}
    recipes["left_hip"] = {"n0": 0.5, "n12": 0.5}
    assert given_joints(recipes, names).joints["left_hip"] == {"n0": 0.5, "n12": 0.5}
    with pytest.raises(DataError, match="no n99"):
        given_joints(recipes | {"spine": {"n99": 1.0}}, names)
    with pytest.raises(DataError, match="No joint is called nose"):
        given_joints(recipes | {"nose": {"n1": 1.0}}, names)
    with pytest.raises(DataError, match="missing: left_hip"):
        given_joints({k: v for k, v in recipes.items() if k != "left_hip"}, names)
