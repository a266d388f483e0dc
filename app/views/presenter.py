"""Feeds the three views from the document, and turns their signals into changes of the state."""

import numpy as np
from PySide6.QtCore import QObject, QTimer

from app.document import Change
from app.operations.context import AppContext
from app.operations.estimate import Estimator
from app.views.scene3d import StagePoses, level_of
from app.views.skeleton3d import PersonPoses3D, Skeleton3DView
from app.views.timeline import CONFIDENCE, PRESENCE, Timeline
from app.views.video import PersonOverlay, VideoView
from pose_core.analysis.pose_edits import moved_joints
from pose_core.camera import Camera
from pose_core.errors import PoseStageError
from pose_core.poses import Keypoints2D
from pose_core.session import ModelRun, Session

LIVE_INTERVAL_MS = 150
FEW_FRAMES = 0.01  # of a clip: they change nothing in what is shown of it as a whole


class Presenter(QObject):
    """Keeps video, 3D view and timeline showing what the document and the state say.

    The overlay always belongs to the picture that is on screen, never to another frame.
    """

    def __init__(
        self,
        context: AppContext,
        estimator: Estimator,
        video: VideoView,
        skeleton: Skeleton3DView,
        timeline: Timeline,
    ) -> None:
        super().__init__(context)
        self._context = context
        self._estimator = estimator
        self._video = video
        self._skeleton = skeleton
        self._timeline = timeline
        self._shown_frame = -1
        self._is_scrubbing = False
        self._failed_frame = -1
        self._has_poses = False
        self._shown_ids: tuple[int, ...] = ()
        self._shown_runs: list[ModelRun | None] = []
        self._lane_keypoints: Keypoints2D | None = None
        self._live_confidence = np.zeros(0)
        self._is_following = False
        self._frame_before = 0
        self._newest_live = -1
        self._live_timer = QTimer(self, interval=LIVE_INTERVAL_MS)
        self._live_timer.timeout.connect(self._show_live)
        self._connect()

    def _connect(self) -> None:
        document, state = self._context.document, self._context.view_state
        document.opened.connect(self._on_opened)
        document.changed.connect(self._on_changed)
        document.relocated.connect(self._on_relocated)
        state.frame_changed.connect(self._on_frame_changed)
        state.range_changed.connect(self._show_range)
        state.track_changed.connect(self._on_selection_changed)
        state.stage_changed.connect(self._show_poses)
        state.poses_visible_changed.connect(self._video.set_poses_visible)
        self._context.decoder.frame_ready.connect(self._on_frame_ready)
        self._context.decoder.failed.connect(self._on_frame_failed)
        self._estimator.started.connect(self._on_estimate_started)
        self._estimator.frame_detected.connect(self._on_frame_detected)
        self._estimator.ended.connect(self._on_estimate_ended)
        self._context.unkept.changed.connect(self._stay)
        self._video.person_clicked.connect(self.select_person)
        self._timeline.scrub_moved.connect(self._on_scrub_moved)
        self._timeline.scrub_released.connect(self._on_scrub_released)
        self._timeline.range_changed.connect(lambda start, end: state.set_range((start, end)))

    @property
    def is_picture_shown(self) -> bool:
        """Whether the picture of the present frame is on screen, or cannot be had."""
        is_open = self._context.document.session is not None
        frame = self._context.view_state.frame
        return not is_open or frame in (self._shown_frame, self._failed_frame)

    # -- selection -------------------------------------------------------------------------

    def select_person(self, track_id: int | None) -> None:
        """Select a person with its newest model, unless the present model has been run too."""
        track = self._context.track(track_id)
        run_names = list(track.runs) if track else []
        model = self._context.view_state.model
        if model not in run_names:
            model = run_names[-1] if run_names else None
        num_stages = len(track.runs[model].poses.stages) if track and model else 0
        self._context.view_state.set_track(track.track_id if track else None, model, num_stages)

    # -- document --------------------------------------------------------------------------

    def _on_opened(self) -> None:
        session = self._context.document.session
        self._shown_frame = -1
        self._shown_runs = []
        self._lane_keypoints = None
        self._video.clear()
        self._context.decoder.open(session.clip if session else None)
        num_frames = session.clip.num_frames if session else 0
        self._skeleton.set_clip_length(num_frames)
        self._timeline.set_clip(session.clip.times_s if session else np.zeros(0))
        self._context.view_state.reset(num_frames)
        if session:
            self._show_camera(session)
            if session.tracks:  # which shows them
                self.select_person(session.tracks[0].track_id)
            else:
                self._on_selection_changed()
                self._show_poses()
            self._skeleton.reset_view()

    def _on_relocated(self) -> None:
        session = self._context.document.session
        self._context.decoder.open(session.clip if session else None)
        self._context.decoder.request(self._context.view_state.frame)

    def _on_changed(self, change: Change) -> None:
        session = self._context.document.session
        if session is None:
            return
        if change.kind == "people":
            self._keep_selection(session)
        if change.kind == "camera":
            self._show_camera(session)
        had_poses = self._has_poses
        self._show_people()
        ids = tuple(track.track_id for track in session.tracks)
        if change.kind == "people" and ids == self._shown_ids:
            return  # another name: in long clips the rest takes a while
        few = FEW_FRAMES * session.clip.num_frames
        if change.kind == "poses" and 0 <= change.end - change.start < few:
            self._show_part(change)
        else:
            self._show_poses()
            self._show_lanes()
        if self._has_poses and not had_poses:
            self._skeleton.reset_view()

    def _show_part(self, change: Change) -> None:
        """Show what has changed in a few frames: all of a long clip takes a while."""
        self._skeleton.change_poses(self._people_poses())
        self._skeleton.set_frame(self._context.view_state.frame)
        track = self._context.selected_track
        if track is None or track.keypoints is self._lane_keypoints:
            return
        if self._lane_keypoints is None:
            self._show_lanes()
            return
        self._lane_keypoints = track.keypoints
        part = track.keypoints.part(change.start, change.end)
        self._timeline.change_lane(CONFIDENCE, change.start, _confidence(part))
        self._timeline.change_lane(PRESENCE, change.start, part.present_mask)

    def _keep_selection(self, session: Session) -> None:
        """Hold on to the selected person, or take the first one."""
        selected = self._context.selected_track or (session.tracks[0] if session.tracks else None)
        self.select_person(selected.track_id if selected else None)

    def _show_camera(self, session: Session) -> None:
        clip = session.clip
        self._skeleton.set_camera(Camera.assumed(clip.width, clip.height, session.focal_px))

    def _on_selection_changed(self) -> None:
        """The stage changes with the person, which shows the poses."""
        self._show_people()
        self._show_lanes()

    # -- frames ----------------------------------------------------------------------------

    def _on_frame_changed(self, frame: int) -> None:
        self._is_following = False  # `_show_live` turns it on again where it was its own doing
        self._timeline.set_frame(frame)
        self._skeleton.set_frame(frame)
        self._context.decoder.request(frame, is_scrubbing=self._is_scrubbing)

    def _on_scrub_moved(self, frame: int) -> None:
        self._is_scrubbing = True
        self._context.view_state.set_playing(False)
        self._context.view_state.set_frame(frame)

    def _on_scrub_released(self, frame: int) -> None:
        self._is_scrubbing = False
        self._context.view_state.set_frame(frame)
        self._context.decoder.request(self._context.view_state.frame)

    def _on_frame_ready(self, frame: int, image: np.ndarray, is_preview: bool) -> None:
        self._shown_frame = frame
        self._video.set_preview(is_preview)
        self._video.set_frame(image, frame)
        self._show_people()

    def _on_frame_failed(self, error: PoseStageError) -> None:
        frame = self._context.view_state.frame
        if frame != self._failed_frame:
            self._failed_frame = frame
            self._video.clear()
            self._shown_frame = -1
            self._context.notice(str(error))

    # -- people ----------------------------------------------------------------------------

    def _show_people(self) -> None:
        """Draw the people of the frame on screen."""
        if self._shown_frame < 0:
            return
        live = self._estimator.live.get(self._shown_frame)
        self._video.set_people(self._found_people() if live is None else _live_people(live))

    def _found_people(self) -> list[PersonOverlay]:
        session, frame = self._context.document.session, self._shown_frame
        selected = self._context.view_state.track_id
        return [
            PersonOverlay(
                track.track_id,
                track.keypoints.xy[frame],
                track.keypoints.scores[frame],
                track.track_id == selected,
                np.asarray(track.keypoints.sources)[frame],
            )
            for track in (session.tracks if session else ())
            if np.isfinite(track.keypoints.xy[frame]).any()
        ]

    def _show_poses(self) -> None:
        """Give the 3D view every person at the chosen model and stage."""
        session, model = self._context.document.session, self._context.view_state.model
        tracks = session.tracks if session else ()
        self._shown_ids = tuple(track.track_id for track in tracks)
        people = self._people_poses()
        self._has_poses = bool(people)
        runs = [track.runs.get(model or "") for track in tracks]
        if people and runs == self._shown_runs:
            self._skeleton.change_poses(people)  # another stage: the ground stays where it is
        else:
            self._skeleton.set_poses(people, level_of(people))
        self._shown_runs = runs
        self._skeleton.set_frame(self._context.view_state.frame)

    def _people_poses(self) -> list[PersonPoses3D]:
        session, state = self._context.document.session, self._context.view_state
        people = []
        for track in session.tracks if session else ():
            run = track.runs.get(state.model or "")
            if run is not None:
                xyz = _stage_poses(run, state.stage)
                is_selected = track.track_id == state.track_id
                is_last = state.stage >= len(run.poses.stages) - 1
                moved = moved_joints(run.meta) if is_last else {}
                people.append(PersonPoses3D(track.track_id, xyz, is_selected, moved=moved))
        return people

    def _show_lanes(self) -> None:
        track = self._context.selected_track
        if track is None:
            self._lane_keypoints = None
            self._timeline.set_confidence(None)
            self._timeline.set_present_mask(None)
            self._timeline.set_swapped_mask(None)
            return
        self._timeline.set_swapped_mask(track.swapped_mask)
        if track.keypoints is self._lane_keypoints:
            return
        self._lane_keypoints = track.keypoints
        self._timeline.set_confidence(_confidence(track.keypoints))
        self._timeline.set_present_mask(track.present_mask)

    def _show_range(self) -> None:
        frames = self._context.view_state.range
        if frames is None:
            self._timeline.clear_range()
        else:
            self._timeline.set_range(*frames)

    # -- live results ----------------------------------------------------------------------

    def _on_estimate_started(self) -> None:
        self._live_confidence = np.full(self._context.view_state.num_frames, np.nan)
        self._newest_live = -1
        context = self._context
        self._is_following = not (context.view_state.is_playing or context.unkept.is_held)
        self._frame_before = context.view_state.frame
        self._live_timer.start()

    def _on_frame_detected(self, frame: int) -> None:
        people = self._estimator.live[frame]
        if people and frame < len(self._live_confidence):
            self._live_confidence[frame] = float(np.mean(people[0][2]))
        self._newest_live = frame
        if frame == self._shown_frame:
            self._show_people()

    def _show_live(self) -> None:
        """Show how far the estimate is, and go along with it until the user goes elsewhere."""
        if self._newest_live < 0:
            return
        self._timeline.set_confidence(self._live_confidence)
        if self._is_following:
            self._context.view_state.set_frame(self._newest_live)
            self._is_following = True

    def _stay(self) -> None:
        """Do not go away from a frame in which somebody tries something out."""
        if self._context.unkept.is_held:
            self._is_following = False

    def _on_estimate_ended(self) -> None:
        self._live_timer.stop()
        if self._is_following:
            self._context.view_state.set_frame(self._frame_before)
        self._is_following = False
        self._lane_keypoints = None  # live results took the place of theirs
        self._show_people()
        self._show_lanes()


def stage_xyz(run: ModelRun, stage: int) -> np.ndarray:
    """(T, 17, 3) camera coordinates of a stage, or of the last one there is; NaN where missing."""
    return _stage_poses(run, stage)[:]


def _stage_poses(run: ModelRun, stage: int) -> StagePoses:
    stage = min(stage, len(run.poses.stages) - 1)  # of another person there may be fewer
    return StagePoses(run.poses.stages[stage], np.asarray(run.poses.root))


def _confidence(keypoints: Keypoints2D) -> np.ndarray:
    """(T,) mean score of each frame; NaN where nobody was found."""
    return np.where(keypoints.present_mask, keypoints.frame_scores, np.nan)


def _live_people(
    people: tuple[tuple[int, np.ndarray, np.ndarray], ...],
) -> list[PersonOverlay]:
    return [
        PersonOverlay(key, xy, scores, index == 0) for index, (key, xy, scores) in enumerate(people)
    ]
