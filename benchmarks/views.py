"""Milliseconds that a repaint of each view takes, by processor time of this process.

Run in a real window, for example::

    QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/views.py
"""

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
from PySide6.QtCore import QCoreApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.views.skeleton3d import PersonPoses3D, Skeleton3DView
from app.views.timeline import Timeline
from app.views.video import PersonOverlay, VideoView
from pose_core.camera import Camera

NUM_RUNS = 40
CLOCKS = (("wall", time.perf_counter), ("processor", time.process_time))

# A standing person of about 1.7 m in camera coordinates, metres, in the Human3.6M joint order.
STANDING = np.array(
    [
        *((0, 0, 0), (-0.13, 0.02, 0), (-0.14, 0.45, 0), (-0.15, 0.88, 0)),
        *((0.13, 0.02, 0), (0.14, 0.45, 0), (0.15, 0.88, 0)),
        *((0, -0.22, 0), (0, -0.46, 0), (0, -0.56, 0), (0, -0.75, 0)),
        *((0.17, -0.42, 0), (0.3, -0.2, 0), (0.33, 0.05, 0.1)),
        *((-0.17, -0.42, 0), (-0.3, -0.2, 0), (-0.33, 0.05, 0.1)),
    ]
)


def measure(name: str, action: Callable[[], None]) -> None:
    """Run an action many times and print its median, by both clocks."""
    action()
    times: dict[str, list[float]] = {clock: [] for clock, _ in CLOCKS}
    for _ in range(NUM_RUNS):
        started = [read() for _, read in CLOCKS]
        action()
        for (clock, read), start in zip(CLOCKS, started, strict=True):
            times[clock].append(1e3 * (read() - start))
    medians = "   ".join(f"{clock} {statistics.median(times[clock]):5.1f} ms" for clock in times)
    print(f"{name:58s} {medians}")


def show(view: QWidget) -> None:
    """Show a view and wait until it is on screen: what is not is not painted either."""
    view.show()
    QTest.qWaitForWindowExposed(view)
    QTest.qWait(300)


def overlays(num_people: int, generator: np.random.Generator) -> list[PersonOverlay]:
    """People of about 500 pixels, a third of their joints unsure."""
    return [
        PersonOverlay(
            index + 1,
            STANDING[:, :2] * 300 + generator.uniform((200, 300), (1700, 800)),
            generator.uniform(0.25, 1, 17),
            index == 0,
        )
        for index in range(num_people)
    ]


def measure_video(generator: np.random.Generator) -> None:
    for height, width, label in ((1080, 1920, "1080p"), (2160, 3840, "2160p")):
        image = generator.integers(0, 255, (height, width, 3), dtype=np.uint8)
        view = VideoView()
        view.resize(1280, 720)
        show(view)

        def next_frame(view: VideoView = view, image: np.ndarray = image) -> None:
            view.set_frame(image, 0)
            view.repaint()

        for num_people in (1, 10):
            view.set_people(overlays(num_people, generator))
            measure(f"video {label}, new frame, {num_people} people", next_frame)
            measure(f"video {label}, same frame, {num_people} people", view.repaint)
        view.close()


def measure_skeleton(generator: np.random.Generator) -> None:
    num_frames = 400
    for num_people in (1, 3, 10):
        view = Skeleton3DView()
        view.resize(800, 600)
        show(view)
        view.set_clip_length(num_frames)
        view.set_camera(Camera.assumed(1920, 1080))
        sway = np.cumsum(generator.normal(0, 0.01, (num_frames, 17, 3)), axis=0)
        view.set_poses(
            [
                PersonPoses3D(
                    index + 1, STANDING + sway + (index - num_people / 2, 0, 5), index == 0
                )
                for index in range(num_people)
            ]
        )
        frames = iter(range(100, num_frames))

        def next_frame(view: Skeleton3DView = view, frames: Iterator[int] = frames) -> None:
            view.set_frame(next(frames))
            QCoreApplication.processEvents()  # noqa: TID251 - paints, as the event loop would

        measure(f"3D 800 x 600, next frame with trails, {num_people} people", next_frame)
        view.close()


def measure_timeline(generator: np.random.Generator) -> None:
    for num_frames in (2_000, 1_000_000):
        view = Timeline()
        view.resize(1280, 140)
        show(view)
        view.set_clip(np.arange(num_frames) / 30)
        confidence = generator.uniform(0, 1, num_frames)
        present = generator.uniform(size=num_frames) > 0.1
        view.set_present_mask(present)
        view.set_swapped_mask(generator.uniform(size=num_frames) > 0.999)
        frames = iter(range(num_frames))

        def change_lane(view: Timeline = view, confidence: np.ndarray = confidence) -> None:
            view.set_confidence(confidence)
            view.repaint()

        def next_frame(view: Timeline = view, frames: Iterator[int] = frames) -> None:
            view.set_frame(next(frames))
            view.repaint()

        measure(f"timeline, {num_frames} frames, new confidence", change_lane)
        measure(f"timeline, {num_frames} frames, next frame", next_frame)
        view.close()


def main() -> None:
    application = QApplication([])
    generator = np.random.default_rng(0)
    print(f"platform {application.platformName()}")
    measure_video(generator)
    measure_skeleton(generator)
    measure_timeline(generator)


if __name__ == "__main__":
    main()
