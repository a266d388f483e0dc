"""Every action of the window, in one table: menus, shortcuts and their page are made from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence

from app.settings import Settings

MENUS = (
    *("File", "Edit", "View", "Go", "Pose", "Models", "Laboratory"),
    *("Train", "Tools", "Window", "Help"),
)


@dataclass(frozen=True)
class ActionSpec:
    """One line of the table.

    Parameters
    ----------
    id : str
        The menu in lower case, a dot, and what the action does.
    text : str
        As in the menu.
    shortcuts : str
        Separated by blanks. Of actions with the same key the first that is available has it.
    tip : str
        What it does, where the text does not say it; also why it is not available yet.
    is_checkable : bool
    needs : str
        What must be there: ``clip``, ``person``, ``two people``, ``pose`` (3D of the person),
        ``truth``, ``own truth`` (imported), ``estimating``, ``unkept`` (a change), ``editing``,
        ``joints`` (selected), ``copied pose``, ``notes``, ``flags`` (to go to), or nothing.
    starts_group : bool
        Draw a line above it.
    """

    id: str
    text: str
    shortcuts: str = ""
    tip: str = ""
    is_checkable: bool = False
    needs: str = ""
    starts_group: bool = False

    @property
    def menu(self) -> str:
        """Name of the menu it lies in."""
        return self.id.partition(".")[0].capitalize()


_A = ActionSpec

ACTIONS: tuple[ActionSpec, ...] = (
    _A("file.open", "Open...", "Ctrl+O", "Open a video or a session."),
    _A("file.sample", "Open the Sample Clip", tip="The clip that comes with PoseStage."),
    _A("file.close", "Close", "Ctrl+W", needs="clip"),
    _A("file.save", "Save Session", "Ctrl+S", needs="clip", starts_group=True),
    _A("file.save_as", "Save Session As...", "Ctrl+Shift+S", needs="clip"),
    _A(
        "file.save_copy",
        "Save a Copy...",
        tip="Under another name; the session keeps its own file.",
        needs="clip",
    ),
    _A("file.locate", "Locate the Video...", tip="Say where the video lies now.", needs="clip"),
    _A("file.export", "Export...", "Ctrl+E", "BVH, CSV, NPZ, JSON, video.", needs="pose"),
    _A(
        "file.export_keypoints",
        "Export Keypoints (2D)...",
        tip="Of all people, as COCO keypoints, CSV or npz: annotations for other programs.",
        needs="person",
    ),
    _A(
        "file.export_notes",
        "Export Notes...",
        tip="Notes and bookmarks with their frames and times, as CSV.",
        needs="notes",
    ),
    _A(
        "file.import_keypoints",
        "Import Keypoints (2D)...",
        tip="People of OpenPose, MediaPipe, DeepLabCut, SLEAP or COCO in place of the detector's.",
        needs="clip",
        starts_group=True,
    ),
    _A(
        "file.import_truth",
        "Import Ground Truth (3D)...",
        tip="Exact 3D poses of a person in this clip, to see the errors of the estimate: npz, or "
        "motion capture as C3D, TRC, BVH, AMC.",
        needs="clip",
    ),
    _A(
        "file.remove_truth",
        "Remove Ground Truth",
        tip="That was imported; what lies beside the video is found there again.",
        needs="own truth",
    ),
    _A("file.quit", "Quit", "Ctrl+Q", starts_group=True),
    _A("edit.undo", "Undo", "Ctrl+Z"),
    _A("edit.redo", "Redo", "Ctrl+Y Ctrl+Shift+Z"),
    _A(
        "edit.discard",
        "Discard the Change",
        "Esc",
        "Put back what was dragged and is not kept yet.",
        needs="unkept",
    ),
    _A("edit.history", "History...", "Ctrl+H", "All that was done; a click goes there."),
    _A(
        "edit.keypoints",
        "Edit Keypoints",
        "E",
        "Drag the joints of the selected person on the video.",
        True,
        "clip",
        starts_group=True,
    ),
    _A("edit.stop_keypoints", "Leave the Edit Mode", "Esc", needs="editing"),
    _A("edit.all_joints", "Select All Joints", "Ctrl+A", needs="editing"),
    _A("edit.remove_joints", "Remove the Selected Joints", "Delete", needs="joints"),
    *(
        _A(f"edit.nudge_{name}{far}", f"Nudge Joints {text}", keys, needs="joints")
        for name in ("left", "right", "up", "down")
        for far, text, keys in (
            ("", f"{name.title()} by 1 Pixel", name.title()),
            ("_far", f"{name.title()} by 10 Pixels", f"Shift+{name.title()}"),
        )
    ),
    _A(
        "edit.copy_pose",
        "Copy the Pose",
        "Ctrl+C",
        "2D keypoints of the selected person in this frame.",
        needs="person",
    ),
    _A("edit.paste_pose", "Paste the Pose", "Ctrl+V", "Into this frame.", needs="copied pose"),
    _A(
        "edit.bookmark",
        "Bookmark This Frame",
        "Ctrl+B",
        "Or remove the bookmark or note that is there.",
        needs="clip",
        starts_group=True,
    ),
    _A("edit.note", "Note at This Frame...", "Ctrl+Shift+B", "In the list of notes.", needs="clip"),
    _A("edit.rename", "Rename the Person...", "F2", needs="person", starts_group=True),
    _A("edit.delete", "Delete the Person", "Delete", needs="person"),
    _A("edit.settings", "Settings...", "Ctrl+,", starts_group=True),
    _A("view.fit", "Fit the Picture", "Ctrl+0", needs="clip"),
    _A("view.reset", "Reset the Views", "Ctrl+R", needs="clip"),
    _A("view.poses", "Hide Poses", "H", is_checkable=True, needs="clip"),
    _A("view.front", "3D from the Front", "Num+1", needs="clip", starts_group=True),
    _A("view.side", "3D from the Side", "Num+3", needs="clip"),
    _A("view.top", "3D from Above", "Num+7", needs="clip"),
    _A("view.camera", "3D from the Video's Camera", "Num+0", needs="clip"),
    _A("view.trails", "Trails", "T", "Where the joints were.", True, "clip"),
    _A("view.follow", "Follow the Person", "F", "Keep the person in the middle.", True, "clip"),
    _A("view.truth", "Ground Truth", "G", "The true pose, where it is known.", True, "truth"),
    _A("view.full_screen", "Full Screen", "F11", is_checkable=True, starts_group=True),
    _A("go.play", "Play or Pause", "Space", needs="clip"),
    _A("go.loop", "Loop", "L", "Start again at the end.", True, "clip"),
    _A("go.faster", "Faster", "Up", needs="clip"),
    _A("go.slower", "Slower", "Down", needs="clip"),
    _A("go.next", "Next Frame", "Right", needs="clip", starts_group=True),
    _A("go.previous", "Previous Frame", "Left", needs="clip"),
    _A("go.forward_10", "Ten Frames Forward", "Shift+Right", needs="clip"),
    _A("go.back_10", "Ten Frames Back", "Shift+Left", needs="clip"),
    _A("go.page_forward", "A Tenth of the Clip Forward", "PgDown", needs="clip"),
    _A("go.page_back", "A Tenth of the Clip Back", "PgUp", needs="clip"),
    _A("go.first", "First Frame", "Home", needs="clip"),
    _A("go.last", "Last Frame", "End", needs="clip"),
    _A("go.next_edit", "Next Edited Frame", "Ctrl+Right", needs="editing", starts_group=True),
    _A("go.previous_edit", "Previous Edited Frame", "Ctrl+Left", needs="editing"),
    _A(
        "go.next_flag",
        "Next Flag",
        "Ctrl+Right",
        "Notes, where the person enters or leaves, and where left and right were exchanged.",
        needs="flags",
    ),
    _A("go.previous_flag", "Previous Flag", "Ctrl+Left", needs="flags"),
    _A("go.frame", "Go to Frame...", "Ctrl+J", needs="clip"),
    _A("go.stage_back", "Stage Back", "[", needs="pose", starts_group=True),
    _A("go.stage_forward", "Stage Forward", "]", needs="pose"),
    _A("go.stage_first", "First Stage", "{", needs="pose"),
    _A("go.stage_last", "Last Stage", "}", needs="pose"),
    _A("go.next_problem", "Next Problem", "N", "Of anatomy, see the laboratory.", needs="pose"),
    _A("go.previous_problem", "Previous Problem", "Shift+N", needs="pose"),
    _A(
        "go.disagreement",
        "Next Frame Where Stages Disagree",
        "D",
        "Where the stages of the model move the joints most.",
        needs="pose",
    ),
    _A(
        "go.model_disagreement",
        "Next Frame Where Models Disagree",
        "Shift+D",
        "Where what is compared in the laboratory is farthest apart.",
        needs="pose",
    ),
    _A("pose.estimate", "Estimate", "Ctrl+Return", "Find the people and their 3D.", needs="clip"),
    _A(
        "pose.box",
        "Estimate in a Box...",
        "B",
        "Draw a box around the person, in the frame where the estimate shall begin.",
        needs="clip",
    ),
    _A(
        "pose.lift",
        "3D Again from the Same 2D",
        tip="Runs the chosen model on the keypoints that are there, without a new search.",
        needs="person",
    ),
    _A("pose.stop", "Stop and Keep", "", "Keep the frames that are done.", needs="estimating"),
    _A("pose.cancel", "Cancel the Estimate", "Esc", "Leave all as it was.", needs="estimating"),
    _A(
        "pose.add_person",
        "Add a Person by Hand...",
        tip="Draw a box around somebody who was not found, and place the joints.",
        needs="clip",
        starts_group=True,
    ),
    _A(
        "pose.split",
        "Split the Person Here",
        "Ctrl+K",
        "From this frame on it is somebody else.",
        needs="person",
    ),
    _A(
        "pose.merge",
        "Merge with Another Person...",
        "Ctrl+M",
        "One person who was taken for two.",
        needs="two people",
    ),
    _A(
        "pose.exchange",
        "Exchange with Another Person from Here On...",
        "Ctrl+Shift+K",
        "Two people who were taken for each other from this frame on.",
        needs="two people",
    ),
    *(
        _A(
            f"pose.swap_{what}",
            f"Swap Left and Right {text}",
            tip="Of the selected person, in the selected range or in this frame.",
            needs="person",
        )
        for what, text in (("arms", "Arm"), ("legs", "Leg"), ("all", "of All Joints"))
    ),
    _A(
        "pose.interpolate",
        "Interpolate Keypoints",
        "I",
        "Between frames in which you have set joints: of the range, or around this frame.",
        needs="person",
    ),
    _A(
        "pose.reset",
        "Reset to the Detector",
        "Ctrl+Backspace",
        "Takes back what was edited by hand in 2D: of the selected joints, or of all; in the "
        "range, or in this frame.",
        needs="person",
    ),
    _A(
        "pose.scale",
        "Body Height and Camera...",
        tip="Body height and focal length give the 3D its scale and place.",
        needs="clip",
        starts_group=True,
    ),
    _A("pose.clear_range", "Clear the Range", "Ctrl+D", "Of the timeline.", needs="clip"),
    _A("laboratory.stages", "Stages", "Ctrl+1", "What each stage of the model does.", needs="clip"),
    _A("laboratory.curves", "Curves", "Ctrl+2", "What a joint does over time.", needs="clip"),
    _A("laboratory.anatomy", "Anatomy", "Ctrl+3", "What a body cannot do.", needs="clip"),
    _A(
        "laboratory.loss_surface",
        "Loss Surface",
        "Ctrl+4",
        "What the losses say as a joint moves.",
        needs="clip",
    ),
    _A(
        "laboratory.self_correction",
        "Self-Correction",
        "Ctrl+5",
        "How the pose machine corrects its own answer.",
        needs="clip",
    ),
    _A(
        "laboratory.sensitivity",
        "Sensitivity",
        "Ctrl+6",
        "Which joints of which frames a network listens to.",
        needs="clip",
    ),
    _A("laboratory.compare", "Compare", "Ctrl+7", "Models, stages and truth.", needs="clip"),
    _A(
        "laboratory.what_if",
        "What-If",
        "Ctrl+8",
        "Drag a joint on the video, and see what the model says to that.",
        needs="clip",
    ),
    _A("train.window", "Training Window", "Ctrl+T", "The training runs and their curves."),
    _A("train.new", "New Training Run...", "Ctrl+Shift+T", "Choose a recipe, data and device."),
    _A(
        "train.edits",
        "Train on Your Edits...",
        tip="Fine-tune a model on the keypoints that you have put right in this clip.",
        needs="clip",
    ),
    _A("tools.palette", "Command Palette...", "Ctrl+Shift+P", "Find an action by its name."),
    _A("tools.doctor", "System Report...", tip="What is installed, and what is missing."),
    _A("window.analyst", "Analyst Workspace", "Alt+1", "Everything for looking closely.", True),
    _A("window.teacher", "Teacher Workspace", "Alt+2", "Large letters, for a class.", True),
    _A("window.reset", "Reset the Layout", tip="Of this workspace.", starts_group=True),
    _A("help.shortcuts", "Keyboard Shortcuts...", "F1"),
    _A("help.about", "About PoseStage"),
    *(
        _A(f"pose.person_{n}", f"Choose Person {n}", str(n), needs="clip", starts_group=n == 1)
        for n in range(1, 10)
    ),
)

# Many of them, and all alike: in the page of shortcuts and the palette, but not in the menu.
HIDDEN_IN_MENU = frozenset(f"pose.person_{n}" for n in range(1, 10)) | frozenset(
    spec.id for spec in ACTIONS if spec.id.startswith("edit.nudge_")
)


class Actions(QObject):
    """The table as `QAction` objects.

    Parameters
    ----------
    settings : Settings
        Holds the shortcuts that the user has changed.
    parent : QObject
        The window in which the shortcuts work.
    """

    def __init__(self, settings: Settings, parent: QObject) -> None:
        super().__init__(parent)
        self._settings = settings
        self._keys: dict[str, list[QKeySequence]] = {}
        self._actions = {spec.id: self._make(spec) for spec in ACTIONS}
        self._hand_out_keys()

    def __getitem__(self, action_id: str) -> QAction:
        return self._actions[action_id]

    def all(self) -> list[QAction]:
        return list(self._actions.values())

    def _make(self, spec: ActionSpec) -> QAction:
        action = QAction(spec.text, self)
        action.setObjectName(spec.id)
        action.setCheckable(spec.is_checkable)
        action.setToolTip(spec.tip or spec.text.removesuffix("..."))
        action.setStatusTip(spec.tip)
        own = self._settings.shortcut(spec.id)
        self._keys[spec.id] = _sequences(spec.shortcuts if own is None else own)
        return action

    def keys_of(self, action_id: str) -> list[QKeySequence]:
        """The keys of an action, also those that another one has at the moment."""
        return self._keys[action_id]

    def _hand_out_keys(self) -> None:
        """Give each key to the first action that is available of those that want it."""
        holders: dict[str, str] = {}
        for is_available in (True, False):
            for action_id, action in self._actions.items():
                if action.isEnabled() == is_available:
                    for key in self._keys[action_id]:
                        holders.setdefault(key.toString(), action_id)
        for action_id, action in self._actions.items():
            own = [key for key in self._keys[action_id] if holders[key.toString()] == action_id]
            if own != action.shortcuts():
                action.setShortcuts(own)

    def connect_handlers(self, handlers: Mapping[str, Callable[[], object]]) -> None:
        """Say what each action does.

        Raises
        ------
        KeyError
            If a handler is for an action that is not in the table.
        """
        for action_id, handler in handlers.items():
            # `triggered` brings a bool that most handlers have no use for.
            self[action_id].triggered.connect(lambda _checked=False, call=handler: call())

    def set_available(self, conditions: Mapping[str, bool]) -> None:
        """Enable and disable actions by what they need."""
        wanted = {spec.id: conditions[spec.needs] for spec in ACTIONS if spec.needs in conditions}
        changed = [each for each, is_on in wanted.items() if self[each].isEnabled() != is_on]
        for action_id in changed:
            self[action_id].setEnabled(wanted[action_id])
        if changed:
            self._hand_out_keys()

    def rebind(self, action_id: str, shortcuts: str | None) -> None:
        """Give an action other shortcuts, and keep them; None brings the default back."""
        spec = next(spec for spec in ACTIONS if spec.id == action_id)
        is_default = shortcuts is None or shortcuts == spec.shortcuts
        self._settings.set_shortcut(action_id, None if is_default else shortcuts)
        self._keys[action_id] = _sequences(spec.shortcuts if shortcuts is None else shortcuts)
        self._hand_out_keys()

    def of_keypad(self, event: QKeyEvent) -> QAction | None:
        """The action that a key of the number pad stands for, if there is one.

        On X11 Qt takes a digit of the number pad for the plain one when it looks for shortcuts,
        so the window has to ask.
        """
        if not event.modifiers() & Qt.KeyboardModifier.KeypadModifier:
            return None
        sequence = QKeySequence(event.keyCombination())
        return next((a for a in self.all() if a.isEnabled() and sequence in a.shortcuts()), None)

    def user_of(self, sequence: QKeySequence, other_than: str) -> QAction | None:
        """The action that already has a shortcut."""
        for action_id, action in self._actions.items():
            if action_id != other_than and sequence in self._keys[action_id]:
                return action
        return None


def _sequences(words: str) -> list[QKeySequence]:
    return [QKeySequence(word) for word in words.split()]
