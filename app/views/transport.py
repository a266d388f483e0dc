"""Buttons, speed and position under the timeline."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QToolButton, QWidget

from app.actions import Actions
from app.operations.context import AppContext
from app.operations.playback import Player
from app.view_state import SPEEDS
from app.widgets.icons import icon
from app.widgets.steady_label import SteadyLabel

BUTTONS = (
    ("go.first", "first"),
    ("go.previous", "previous"),
    ("go.play", "play"),
    ("go.next", "next"),
    ("go.last", "last"),
    ("go.loop", "loop"),
)


def format_time(seconds: float) -> str:
    """Minutes, seconds and milliseconds: ``1:02.500``."""
    milliseconds = round(seconds * 1000)
    return f"{milliseconds // 60000}:{milliseconds // 1000 % 60:02}.{milliseconds % 1000:03}"


class TransportBar(QWidget):
    """Plays, steps, and says where in the clip one is."""

    def __init__(self, context: AppContext, actions: Actions, player: Player) -> None:
        super().__init__()
        self._context = context
        self._state = context.view_state
        self._buttons: dict[str, QToolButton] = {}
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 2, 8, 6)
        for action_id, icon_name in BUTTONS:
            layout.addWidget(self._button(actions, action_id, icon_name))
        self._speed = QComboBox()
        self._speed.setToolTip("Speed of playback (Up, Down)")
        self._speed.setAccessibleName("Speed of playback")
        self._speed.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        for speed in SPEEDS:
            self._speed.addItem(f"{speed:g}x", speed)
        layout.addWidget(self._speed)
        self._position = SteadyLabel()
        self._position.setToolTip("Frames count from 0, as in every export.")
        self._skipped = QLabel()
        self._skipped.setProperty("warning", True)
        self._skipped.setToolTip(
            "Left out to keep time. No frame is ever shown in the place of another one."
        )
        layout.addSpacing(8)
        layout.addWidget(self._position)
        layout.addWidget(self._skipped)
        layout.addStretch()

        self._speed.activated.connect(lambda: self._state.set_speed(self._speed.currentData()))
        self._state.speed_changed.connect(self._show_speed)
        self._state.playing_changed.connect(self._show_playing)
        self._state.frame_changed.connect(self._show_position)
        context.document.opened.connect(self._show_position)
        player.skipped_changed.connect(self._show_skipped)
        self._show_speed(self._state.speed)
        self._show_position()

    def _button(self, actions: Actions, action_id: str, icon_name: str) -> QToolButton:
        button = QToolButton()
        action = actions[action_id]
        action.setIcon(icon(icon_name))
        button.setDefaultAction(action)
        button.setAutoRaise(True)
        button.setIconSize(QSize(22, 22))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAccessibleName(action.text())
        self._buttons[action_id] = button
        return button

    def _show_speed(self, speed: float) -> None:
        self._speed.setCurrentIndex(self._speed.findData(speed))

    def _show_playing(self, is_playing: bool) -> None:
        play = self._buttons["go.play"].defaultAction()
        play.setIcon(icon("pause" if is_playing else "play"))

    def _show_position(self) -> None:
        session = self._context.document.session
        if session is None:
            self._position.clear()
            return
        clip, frame = session.clip, min(self._state.frame, session.clip.num_frames - 1)
        self._position.setText(
            f"frame {frame} of 0-{clip.num_frames - 1}     "
            f"{format_time(clip.times_s[frame])} / {format_time(clip.duration_s)}"
        )

    def _show_skipped(self, num_skipped: int) -> None:
        self._skipped.setText(f"     {num_skipped} frames skipped" if num_skipped else "")
