"""Makes the bundled clip and its exact truth: ``python -m pose_core.synthesis.sample_clip``.

The same command makes the same pictures. It takes about 12 minutes on one core.
"""

import argparse
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pose_core.atomic_file import atomic_write, make_folder
from pose_core.camera import Camera
from pose_core.errors import ExportError, PoseStageError
from pose_core.geometry import root_centre
from pose_core.progress import ProgressBar
from pose_core.skeleton import H36M_17
from pose_core.synthesis.figure import COLOURS, build_figure
from pose_core.synthesis.movement import FPS, NUM_FRAMES, Movement, make_movement
from pose_core.synthesis.ray_march import Picture, render

CLIP_NAME, TRUTH_NAME = "walk_and_squat.mp4", "truth.npz"
_WIDTH, _HEIGHT, _FOCAL_PX = 640, 720, 900.0
_CAMERA_PLACE_M, _CAMERA_PITCH_DEG = np.array([0.42, -3.6, 1.6]), 11.0


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


def render_frame(movement: Movement, frame: int, camera: Camera) -> Picture:
    """One frame of the clip."""
    return render(build_figure(movement, frame), COLOURS, camera)


def save_sample(out_dir: Path, num_frames: int = NUM_FRAMES) -> Iterator[tuple[int, int]]:
    """Render the clip and write it with its truth.

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
    movement, camera = make_movement(num_frames), sample_camera()
    camera_xyz = camera.to_camera(movement.positions)
    with atomic_write(out_dir / TRUTH_NAME, ExportError) as file:
        np.savez_compressed(
            file,
            poses_3d=root_centre(camera_xyz).astype(np.float32),
            root_3d=camera_xyz[:, 0].astype(np.float32),
            keypoints_2d=camera.project(movement.positions).astype(np.float32),
            focal_px=np.float32(camera.focal_px),
            fps=np.float32(FPS),
            joint_names=np.array(H36M_17.joint_names),
        )
    with (
        atomic_write(out_dir / CLIP_NAME, ExportError) as file,
        # By name: a full disk is then an OSError, and the index can be moved to the front.
        av.open(f"file:{file.name}", "w", "mp4", options={"movflags": "faststart"}) as container,
    ):
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = camera.width, camera.height, "yuv420p"
        # One thread: how x264 shares the work among several changes the file.
        stream.options = {"crf": "19", "preset": "slow", "tune": "animation", "threads": "1"}
        for index in range(num_frames):
            rgb = render_frame(movement, index, camera).rgb
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
            yield index + 1, num_frames
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
