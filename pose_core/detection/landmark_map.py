"""From a detector's own joints to those of Human3.6M.

Detectors and Human3.6M mean different points by "hip" or "shoulder". For detectors that were
measured on rendered people, whose joints are known exactly, a fitted linear map is shipped; for
all others the recipes of `pose_core.skeleton` say what a joint is made of.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np

from pose_core.errors import WeightsError
from pose_core.resources import resource_path
from pose_core.skeleton import BLAZEPOSE_33, H36M_17, JointMap, Skeleton, joint_map

FITTED_MAP = "landmark_map.json"
_FITTED_FOR = BLAZEPOSE_33


def h36m_map(skeleton: Skeleton) -> JointMap:
    """Map from a detector's skeleton to Human3.6M-17: the fitted one where there is one.

    Raises
    ------
    ConfigError
        If no map from this skeleton is known.
    WeightsError
        If the shipped map cannot be read.
    """
    if skeleton is _FITTED_FOR:
        return load_landmark_map(resource_path("weights", FITTED_MAP))
    return joint_map(skeleton, H36M_17)


@cache
def load_landmark_map(path: Path) -> JointMap:
    """Read a fitted map: for each joint the landmarks that it is made of, and their shares.

    Raises
    ------
    WeightsError
        If the file cannot be read or is not a whole map.
    """
    try:
        shares = json.loads(path.read_text(encoding="utf-8"))["weights"]
        weights = np.zeros((H36M_17.num_joints, _FITTED_FOR.num_joints))
        for row, joint in enumerate(H36M_17.joint_names):
            for landmark, share in shares[joint].items():
                weights[row, _FITTED_FOR.joint_names.index(landmark)] = float(share)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"The map of the detector's landmarks cannot be read: {path} ({error}).",
            "Install PoseStage again.",
        ) from error
    if not np.allclose(weights.sum(axis=1), 1.0, atol=1e-3):
        raise WeightsError(
            f"The shares of a joint in {path} do not sum to one.", "Install PoseStage again."
        )
    # Written with four digits: exactly one, so that the map moves with the body.
    return JointMap(_FITTED_FOR, H36M_17, weights / weights.sum(axis=1, keepdims=True))
