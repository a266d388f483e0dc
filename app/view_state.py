"""What is shown at the moment: neither undoable nor part of the session file."""

from PySide6.QtCore import QObject, Signal

SPEEDS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)


class ViewState(QObject):
    """Frame, person, model, stage and playback; each change has its own signal."""

    frame_changed = Signal(int)
    range_changed = Signal()
    track_changed = Signal()
    stage_changed = Signal()
    playing_changed = Signal(bool)
    speed_changed = Signal(float)
    loop_changed = Signal(bool)
    poses_visible_changed = Signal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.num_frames = 0
        self.frame = 0
        self.range: tuple[int, int] | None = None
        self.track_id: int | None = None
        self.model: str | None = None
        self.num_stages = 0
        self.stage = -1
        self.is_playing = False
        self.speed = 1.0
        self.is_looping = False
        self.are_poses_visible = True

    def reset(self, num_frames: int) -> None:
        """Start at the first frame of another clip."""
        self.set_playing(False)
        self.num_frames = num_frames
        self.frame = 0
        self.set_range(None)
        self.set_track(None, None, 0)
        self.frame_changed.emit(0)

    def set_frame(self, frame: int) -> None:
        """Go to a frame; clamped to the clip."""
        frame = min(max(frame, 0), max(self.num_frames - 1, 0))
        if frame != self.frame:
            self.frame = frame
            self.frame_changed.emit(frame)

    def set_range(self, frames: tuple[int, int] | None) -> None:
        """Select frames ``start <= frame < end``; None selects nothing."""
        if frames != self.range:
            self.range = frames
            self.range_changed.emit()

    def set_track(self, track_id: int | None, model: str | None, num_stages: int) -> None:
        """Select a person and what of it is shown; the last stage unless one was chosen."""
        state = (track_id, model, num_stages)
        if state == (self.track_id, self.model, self.num_stages):
            return
        self.track_id, self.model, self.num_stages = state
        self.stage = num_stages - 1
        self.track_changed.emit()
        self.stage_changed.emit()

    def set_stage(self, stage: int) -> None:
        """Choose a stage of the model, from 0; clamped."""
        stage = min(max(stage, 0), self.num_stages - 1)
        if stage != self.stage:
            self.stage = stage
            self.stage_changed.emit()

    def set_playing(self, is_playing: bool) -> None:
        is_playing = is_playing and self.num_frames > 1
        if is_playing != self.is_playing:
            self.is_playing = is_playing
            self.playing_changed.emit(is_playing)

    def set_speed(self, speed: float) -> None:
        if speed != self.speed:
            self.speed = speed
            self.speed_changed.emit(speed)

    def change_speed(self, num_steps: int) -> None:
        """Go up or down the list of speeds."""
        nearest = min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - self.speed))
        self.set_speed(SPEEDS[min(max(nearest + num_steps, 0), len(SPEEDS) - 1)])

    def set_looping(self, is_looping: bool) -> None:
        if is_looping != self.is_looping:
            self.is_looping = is_looping
            self.loop_changed.emit(is_looping)

    def set_poses_visible(self, are_visible: bool) -> None:
        if are_visible != self.are_poses_visible:
            self.are_poses_visible = are_visible
            self.poses_visible_changed.emit(are_visible)
