"""Makes the bundled clip and its exact truth: ``python -m pose_core.synthesis.sample_clip``.

The same command makes the same files on the same machine. With other versions of PyTorch, NumPy or
x264, or on another processor, rounding may change single pixels by a step and so the bytes of the
video; the truth differs by less than a micrometre.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from torch import Tensor

from pose_core.atomic_file import atomic_write, make_folder
from pose_core.camera import Camera
from pose_core.errors import ExportError, PoseStageError
from pose_core.geometry import root_centre
from pose_core.progress import ProgressBar
from pose_core.skeleton import H36M_17
from pose_core.synthesis.appearance import (
    PLAIN,
    SHIRT,
    SHOES,
    SKIN,
    TROUSERS,
    Look,
    linear_to_srgb,
    sample_look,
    srgb_to_linear,
)
from pose_core.synthesis.body import Body, apply_blend
from pose_core.synthesis.movement import FPS, sample_movement
from pose_core.synthesis.puppet import SIDES, Movement, build_of
from pose_core.synthesis.renderer import NO_PART, Renderer, View
from pose_core.synthesis.retarget import between, retarget
from pose_core.synthesis.scenery import room
from pose_core.synthesis.segments import INDEX

CLIP_NAME, TRUTH_NAME = "walk_punch_turn.mp4", "truth.npz"
_WIDTH, _HEIGHT, _FOCAL_PX = 640, 720, 960.0
_CAMERA_PLACE_M, _CAMERA_PITCH_DEG = np.array([0.1, -3.4, 1.3]), 9.0
_BODY, _LOOK_SEED = 3, 5
# Each pixel is the mean of four, so that edges are smooth; shadows are as fine as the pixels.
_FINER, _SHADOW_MAP = 2, 512
_ROOM_M = (2.6, 4.2, 2.7)
# sRGB of floor, walls and ceiling; how far boards are apart and how dark their joints are.
_ROOM_COLOURS = ((0.56, 0.44, 0.33), (0.80, 0.79, 0.75), (0.9, 0.9, 0.9))
_BOARDS_M, _BOARD_LINES = (0.22, 1.0, 1.0), (0.22, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class SamplePerson:
    """The person of the clip over T frames.

    Parameters
    ----------
    movement : Movement
        What the person was told to do.
    transforms : (T, 20, 3, 4) Tensor
        Motion of each segment of the body.
    joints : (T, 17, 3) ndarray
        Where the joints of the rendered body are, world, metres.
    """

    body: Body
    shape: Tensor
    movement: Movement
    transforms: Tensor
    joints: np.ndarray


def sample_camera(scale: float = 1.0) -> Camera:
    """Camera of the clip, at breast height and tilted down; `scale` changes the picture size."""
    sine, cosine = np.sin(np.radians(_CAMERA_PITCH_DEG)), np.cos(np.radians(_CAMERA_PITCH_DEG))
    rotation = np.array([[1, 0, 0], [0, -sine, -cosine], [0, cosine, -sine]])
    return Camera(
        round(_WIDTH * scale),
        round(_HEIGHT * scale),
        _FOCAL_PX * scale,
        rotation=rotation,
        translation=-rotation @ _CAMERA_PLACE_M,
    )


def sample_person() -> SamplePerson:
    """Pose the body as `sample_movement` says."""
    body = Body()
    shape = body.shapes[_BODY : _BODY + 1]
    movement = sample_movement(build_of(body, shape[0]))
    rest = body.rest(shape)
    joints = torch.from_numpy(movement.positions.astype(np.float32))[None]
    pose = retarget(joints, body.pivots(rest), body.joints(rest))
    rotations = _follow_axes(pose.rotations[0], movement)
    transforms = body.transforms(rest, rotations, pose.root[0])
    # Only the points that make the joints: the skin is posed frame by frame when it is drawn.
    posed = [body.joints(apply_blend(body.blend(one[None]), rest))[0] for one in transforms]
    return SamplePerson(body, shape, movement, transforms, torch.stack(posed).double().numpy())


def _follow_axes(rotations: Tensor, movement: Movement) -> Tensor:
    """Rotations (T, 20, 3, 3) with head, hands and feet as the movement has them.

    Retargeting must guess them from 17 joints; here they are known.
    """
    axes = {name: torch.from_numpy(a).to(rotations) for name, a in movement.axes.items()}
    # Forward, left and up of the body at rest.
    at_rest = rotations.new_tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    out = rotations.clone()
    out[:, INDEX["head"]] = axes["head"] @ at_rest.mT
    out[:, INDEX["neck"]] = between(out[:, INDEX["chest"]], out[:, INDEX["head"]], 0.5)
    for side in SIDES:
        out[:, INDEX[f"{side}_foot"]] = axes[f"{side}_foot"] @ at_rest.mT
        bent = axes[f"{side}_hand"] @ axes[f"{side}_forearm"].mT
        out[:, INDEX[f"{side}_hand"]] = bent @ rotations[:, INDEX[f"{side}_forearm"]]
    return out


def sample_look_of_person() -> Look:
    """Plain clothes, and light as from a window on the left and a lamp overhead."""
    look = sample_look(1, torch.Generator().manual_seed(_LOOK_SEED))
    look.pattern[..., 0] = PLAIN
    for material, colour in (
        (SHIRT, (0.25, 0.42, 0.62)),
        (TROUSERS, (0.24, 0.25, 0.30)),
        (SHOES, (0.20, 0.17, 0.16)),
        (SKIN, (0.80, 0.60, 0.48)),
    ):
        look.colour[:, material] = srgb_to_linear(torch.tensor(colour))
    look.gloss[:, [SHIRT, TROUSERS]] = 0.0
    look.gloss[:, SKIN] = 0.05
    look.edges[:] = torch.tensor([0.16, 2.2, 0.55, 1.02])
    look.thickness_m[:] = torch.tensor([0.014, 0.016, 0.012])
    look.hair_line_m[:] = 0.045
    look.has_long_hair[:], look.has_skirt[:] = False, False
    light = torch.tensor([[[-0.45, -0.55, 0.95], [0.8, -0.5, 0.3]]])
    look.light[:] = light / light.norm(dim=-1, keepdim=True)
    look.light_colour[:] = torch.tensor([[[0.85, 0.83, 0.78], [0.12, 0.13, 0.15]]])
    look.ambient[:] = torch.tensor([[[0.42, 0.42, 0.43], [0.22, 0.20, 0.18]]])
    look.shadow[:] = 0.75
    return look


class SamplePictures:
    """Draws frames of the clip.

    Parameters
    ----------
    person : SamplePerson
    camera : Camera
    """

    def __init__(self, person: SamplePerson, camera: Camera) -> None:
        self._person, self._camera = person, camera
        self._renderer = Renderer(person.body, shadow_map=_SHADOW_MAP)
        self._rest, self._look = person.body.rest(person.shape), sample_look_of_person()
        self._size = (_FINER * camera.height, _FINER * camera.width)
        intrinsics = torch.tensor(
            [
                [_FINER * camera.focal_px, 0, self._size[1] / 2],
                [0, _FINER * camera.focal_px, self._size[0] / 2],
                [0, 0, 1],
            ]
        )
        rotation = torch.from_numpy(np.asarray(camera.rotation)).float()
        translation = torch.from_numpy(np.asarray(camera.translation)).float()
        self._view = View(intrinsics[None], rotation[None], translation[None])
        rays = self._view.rays(self._size)[0].permute(2, 0, 1)
        colours = srgb_to_linear(torch.tensor(_ROOM_COLOURS))
        self._room = room(
            rays, self._view.position[0], _ROOM_M, colours, _BOARDS_M, _BOARD_LINES
        ).permute(1, 2, 0)

    def frame(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Picture (H, W, 3) uint8 RGB, and how much of each pixel (H, W) the person covers."""
        with torch.no_grad():
            drawing = self._renderer.draw(
                self._person.shape,
                self._rest,
                self._person.transforms[index : index + 1],
                self._look,
                self._view,
                self._size,
                torch.zeros(1),
            )
        is_person = drawing.parts[0] != NO_PART
        behind = self._room * (1 - drawing.shade[0, ..., None])
        light = torch.where(is_person[..., None], drawing.light[0], behind)
        size = (self._camera.width, self._camera.height)
        small = cv2.resize(light.clamp(0, 1).numpy(), size, interpolation=cv2.INTER_AREA)
        covered = cv2.resize(is_person.float().numpy(), size, interpolation=cv2.INTER_AREA)
        rgb = (255 * linear_to_srgb(torch.from_numpy(small))).round().to(torch.uint8)
        return rgb.numpy(), covered


def save_sample(out_dir: Path, num_frames: int | None = None) -> Iterator[tuple[int, int]]:
    """Render the clip, or its first frames, and write it with its truth.

    The truth holds ``poses_3d (T, 17, 3)`` root-relative and ``root_3d (T, 3)``, both camera
    axes (x right, y down, z forward) in metres; ``keypoints_2d (T, 17, 2)`` pixels;
    ``focal_px``; ``fps``; ``joint_names``.

    Yields
    ------
    (int, int)
        Frames done and frames in all.

    Raises
    ------
    ExportError
        If a file cannot be written.
    """
    make_folder(out_dir, ExportError)
    torch.set_num_threads(1)
    person, camera = sample_person(), sample_camera()
    joints = person.joints[:num_frames]
    camera_xyz = camera.to_camera(joints)
    with atomic_write(out_dir / TRUTH_NAME, ExportError) as file:
        np.savez_compressed(
            file,
            poses_3d=root_centre(camera_xyz).astype(np.float32),
            root_3d=camera_xyz[:, 0].astype(np.float32),
            keypoints_2d=camera.project(joints).astype(np.float32),
            focal_px=np.float32(camera.focal_px),
            fps=np.float32(FPS),
            joint_names=np.array(H36M_17.joint_names),
        )
    pictures = SamplePictures(person, camera)
    with (
        atomic_write(out_dir / CLIP_NAME, ExportError) as file,
        # By name: a full disk is then an OSError, and the index can be moved to the front.
        av.open(f"file:{file.name}", "w", "mp4", options={"movflags": "faststart"}) as container,
    ):
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = camera.width, camera.height, "yuv420p"
        # One thread: how x264 shares the work among several changes the file.
        stream.options = {"crf": "21", "preset": "slow", "threads": "1"}
        for index in range(len(joints)):
            rgb, _ = pictures.frame(index)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
            yield index + 1, len(joints)
        container.mux(stream.encode())


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Render the bundled clip and its truth.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the two files")
    out_dir = parser.parse_args().out
    bar = ProgressBar(sys.stderr, "frames")
    try:
        for done, total in save_sample(out_dir):
            bar.update(done, total)
    except PoseStageError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    finally:
        bar.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
