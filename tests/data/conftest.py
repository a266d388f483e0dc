"""A small Human3.6M, made of somebody who turns about himself."""

from pathlib import Path

import cdflib.cdfwrite
import numpy as np
import pytest
from scipy.io import savemat
from scipy.spatial.transform import Rotation

from pose_core.data.human36m_metadata import CAMERAS
from pose_core.skeleton import H36M_17

# Where each canonical joint lies among the 32 points of Human3.6M.
POINTS_OF_32 = {
    "pelvis": 0, "right_hip": 1, "right_knee": 2, "right_ankle": 3, "left_hip": 6, "left_knee": 7,
    "left_ankle": 8, "spine": 12, "thorax": 13, "neck": 14, "head_top": 15, "left_shoulder": 17,
    "left_elbow": 18, "left_wrist": 19, "right_shoulder": 25, "right_elbow": 26, "right_wrist": 27,
}  # fmt: skip


def world_turn(num_frames: int, seed: int = 0) -> np.ndarray:
    """(T, 17, 3) metres, z up: somebody who turns about himself near the origin."""
    rng = np.random.default_rng(seed)
    heights = {"pelvis": 0.95, "spine": 1.2, "thorax": 1.45, "neck": 1.55, "head_top": 1.75}
    parts = {"hip": (0.12, 0.95), "knee": (0.12, 0.5), "ankle": (0.12, 0.08),
             "shoulder": (0.18, 1.43), "elbow": (0.22, 1.15), "wrist": (0.24, 0.9)}  # fmt: skip
    pose = np.zeros((17, 3))
    for j, name in enumerate(H36M_17.joint_names):
        side, _, part = name.partition("_")
        if side in ("left", "right"):
            x, z = parts[part]
            pose[j] = [x if side == "left" else -x, 0.05 * rng.normal(), z]
        else:
            pose[j] = [0, 0, heights[name]]
    turns = Rotation.from_rotvec(np.linspace(0, 1.0, num_frames)[:, None] * [0, 0, 1.0]).as_matrix()
    return pose @ np.swapaxes(turns, -1, -2) + 0.01 * rng.normal(size=(num_frames, 1, 3))


def of_32(poses: np.ndarray) -> np.ndarray:
    """(T, 32 * D) with the 17 joints in their places and nonsense elsewhere."""
    out = np.full((len(poses), 32, poses.shape[-1]), 777.0)
    for j, name in enumerate(H36M_17.joint_names):
        out[:, POINTS_OF_32[name]] = poses[:, j]
    return out.reshape(len(poses), -1)


def write_cdf(path: Path, values: np.ndarray) -> None:
    """As in the data set: one variable "Pose" (1, T, 32 * D)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    spec = {
        "Variable": "Pose", "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True,
        "Dim_Sizes": list(values.shape), "Dim_Vary": [True, True], "Var_Type": "zVariable",
    }  # fmt: skip
    file = cdflib.cdfwrite.CDF(path, cdf_spec={"Compressed": 0}, delete=True)
    file.write_var(spec, var_data=values[None].astype(np.float32))
    file.close()


def write_mat(path: Path, values: np.ndarray) -> None:
    """As the MATLAB code of the data set converts them: data is a cell with (T, 32 * D)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = np.zeros((1, 1), dtype=object)
    cell[0, 0] = values
    savemat(f"{path}.mat", {"data": cell}, appendmat=False)


class SmallHuman36m:
    """Writes recordings in the layouts of Human3.6M; cameras look at the origin from 5 m.

    Parameters
    ----------
    folder : Path
    """

    focal, centre = (1145.0, 1143.0), (512.0, 515.0)
    radial, tangential = (-0.2, 0.25, -0.003), (-0.001, -0.0015)
    write_cdf, write_mat = staticmethod(write_cdf), staticmethod(write_mat)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recordings = {
            ("S9", "Directions 1"): world_turn(12, seed=1),
            ("S9", "Directions"): world_turn(9, seed=2),
            ("S9", "TakingPhoto"): world_turn(8, seed=3),
            ("S11", "Directions"): world_turn(8, seed=4),
        }
        # For S9, "Directions 1" is the first trial of action 2 and "Directions" the second.
        self.trials = {
            (2, 1): {"S9": "Directions 1", "S11": "Directions 1"},
            (2, 2): {"S9": "Directions", "S11": "Directions"},
            (12, 1): {"S9": "TakingPhoto"},
        }

    def truth(self, subject: str, name: str, camera: int) -> np.ndarray:
        """(T, 17, 3) camera coordinates by the definition: R = Rx Ry Rz, x = R (world - T)."""
        (a, b, c), position = self._extrinsics(int(subject[1:]), camera)
        rx = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
        ry = [[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]]
        rz = [[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]]
        rotation = np.array(rx) @ np.array(ry) @ np.array(rz)
        return (self.recordings[subject, name] - position / 1000) @ rotation.T

    def pixels(self, camera_xyz: np.ndarray) -> np.ndarray:
        """The projection of Human3.6M's own code, point by point."""
        out = np.zeros((*camera_xyz.shape[:-1], 2))
        (k1, k2, k3), (p1, p2) = self.radial, self.tangential
        for index in np.ndindex(*camera_xyz.shape[:-1]):
            x, y, z = camera_xyz[index]
            x, y = x / z, y / z
            r2 = x**2 + y**2
            factor = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + p1 * y + p2 * x
            u, v = x * factor + p2 * r2, y * factor + p1 * r2
            out[index] = self.focal[0] * u + self.centre[0], self.focal[1] * v + self.centre[1]
        return out

    def write_official(self, write, features=("D3_Positions_mono", "D2_Positions")) -> Path:
        """S9/MyPoseFeatures/... with the files that `write` makes."""
        for (subject, name), world in self.recordings.items():
            base = self.folder / subject / "MyPoseFeatures"
            if "D3_Positions" in features:
                write(base / "D3_Positions" / f"{name}.cdf", 1000 * of_32(world))
            for camera, camera_name in enumerate(CAMERAS):
                xyz = self.truth(subject, name, camera)
                values = {"D3_Positions_mono": 1000 * xyz, "D2_Positions": self.pixels(xyz)}
                for feature, points in values.items():
                    if feature in features:
                        write(base / feature / f"{name}.{camera_name}.cdf", of_32(points))
        return self.write_metadata()

    def write_videopose(self, keypoints=None, layout="h36m", extra_frames=1) -> Path:
        """data_3d_h36m.npz, and data_2d_h36m_KEYPOINTS.npz where asked for."""
        positions: dict = {}
        seen: dict = {}
        for (subject, name), world in self.recordings.items():
            short = name.replace("TakingPhoto", "Photo")
            poses = of_32(world).reshape(-1, 32, 3).astype(np.float32)
            positions.setdefault(subject, {})[short] = poses
            films = []
            for camera in range(4):
                xy = self.pixels(self.truth(subject, name, camera))
                film = np.concatenate([xy, xy[-1:].repeat(extra_frames, 0)])
                films.append(film.astype(np.float32))
            seen.setdefault(subject, {})[short] = films
        np.savez_compressed(self.folder / "data_3d_h36m.npz", positions_3d=positions)
        if keypoints:
            metadata = {"layout_name": layout, "num_joints": 17, "keypoints_symmetry": [[4], [1]]}
            path = self.folder / f"data_2d_h36m_{keypoints}.npz"
            np.savez_compressed(path, positions_2d=seen, metadata=metadata)
        return self.write_metadata()

    def write_metadata(self) -> Path:
        """metadata.xml with the names of the recordings and 300 numbers."""
        subjects = [f"S{i}" for i in range(1, 12)]
        rows = ["<tr><td/><td/>" + "".join(f"<td>{s}</td>" for s in subjects) + "</tr>"]
        for (action, trial), names in self.trials.items():
            cells = "".join(f"<td>{names.get(s, '')}</td>" for s in subjects)
            rows.append(f"<tr><td>{action}</td><td>{trial}</td>{cells}</tr>")
        numbers = [
            value
            for camera in range(4)
            for subject in range(1, 12)
            for part in self._extrinsics(subject, camera)
            for value in part
        ]
        numbers += [*self.focal, *self.centre, *self.radial, *self.tangential] * 4
        text = "[" + " ".join(repr(float(n)) for n in numbers) + "]"
        (self.folder / "metadata.xml").write_text(
            f"<metadata><mapping>{''.join(rows)}</mapping><w0>{text}</w0></metadata>"
        )
        return self.folder

    @staticmethod
    def _extrinsics(subject: int, camera: int) -> tuple[np.ndarray, np.ndarray]:
        """Angles, and position in mm: the camera looks along world y."""
        angles = np.array([np.pi / 2 + 0.01 * subject, 0.02 * camera, 0.03])
        return angles, np.array([100.0 * camera, -5000.0, 1500.0])


@pytest.fixture
def human36m(tmp_path) -> SmallHuman36m:
    return SmallHuman36m(tmp_path)
