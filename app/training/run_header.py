"""What stands above the curves: the run, how far it is, and what can be done with it."""

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.training.follower import Following
from app.training.run_list import best_text, share_done, shown_state
from app.training.service import Publishing, Runs
from app.widgets.icons import icon
from pose_core.progress import format_seconds
from pose_core.training.runs import RunSummary

_BAR_STEPS = 1000
_NAME_SCALE = 1.35

# (name, label, icon, tip, states in which it can be pressed)
BUTTONS = (
    (
        "pause",
        "Pause",
        "pause",
        "Keep a checkpoint and end after this step; Resume goes on.",
        ("running",),
    ),
    (
        "resume",
        "Resume",
        "play",
        "Go on from the last checkpoint; after the present run where one is running.",
        ("paused", "stopped", "interrupted", "failed"),
    ),
    (
        "stop",
        "Stop and Keep",
        "stop",
        "End after this step and keep everything: it can become a model, and be resumed.",
        ("running", "queued"),
    ),
    (
        "publish",
        "Make a Model",
        "check",
        "Put its weights among the models that estimate, measured on held-out motion.",
        ("finished", "stopped", "paused"),
    ),
    (
        "compare",
        "Compare...",
        "export",
        "Errors beside those of the shipped model.",
        ("finished", "stopped", "paused"),
    ),
    (
        "clip",
        "Compare on the Clip",
        "play",
        "3D of the open clip by this model too, from the same 2D, beside the one there is.",
        ("finished", "stopped", "paused"),
    ),
    (
        "duplicate",
        "Duplicate...",
        "copy",
        "A new run with the same settings, which can be changed.",
        ("queued", "running", "paused", "stopped", "finished", "failed", "interrupted"),
    ),
    ("folder", "Open Folder", "open", "Show the files of the run.", None),
    ("discard", "Discard...", "trash", "Move the run and its files to the trash.", None),
)


class RunHeader(QWidget):
    """Facts and buttons of one run.

    Attributes
    ----------
    wanted : Signal(str)
        Name of the button pressed, of `BUTTONS`.
    """

    wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.name, self.about, self.facts, self.usage = (QLabel() for _ in range(4))
        self._fit_letters()
        for label in (self.name, self.about, self.facts, self.usage):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(label is not self.name)
        self.about.setProperty("faint", True)
        self.usage.setProperty("faint", True)
        self.bar = QProgressBar(maximum=_BAR_STEPS, textVisible=False)
        self.bar.setMaximumHeight(8)
        self.bar.setAccessibleName("Share of the steps that are done")
        self.problem, self._problem_text = _problem_box()
        self.buttons: dict[str, QPushButton] = {}
        row = QHBoxLayout()
        for name, label, icon_name, tip, _ in BUTTONS:
            button = QPushButton(icon(icon_name), label)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, name=name: self.wanted.emit(name))
            self.buttons[name] = button
            if name == "folder":
                row.addStretch()
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 6)
        layout.setSpacing(4)
        for widget in (self.name, self.about, self.bar, self.facts, self.usage, self.problem):
            layout.addWidget(widget)
        layout.addLayout(row)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit_letters()

    def _fit_letters(self) -> None:
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * _NAME_SCALE)
        font.setBold(True)
        self.name.setFont(font)

    def show_run(
        self,
        run: RunSummary,
        runs: Runs,
        *,
        is_model: bool,
        publishing: Publishing | None,
        has_people: bool,
    ) -> None:
        """Show a run.

        Parameters
        ----------
        run : RunSummary
        runs : Runs
        is_model : bool
            It became one.
        publishing : Publishing, optional
            While it is made one.
        has_people : bool
            There are people in the open clip.
        """
        state = shown_state(run, runs)
        self.name.setText(run.name)
        data = run.data if run.data != "bundled" else "bundled motions"
        self.about.setText(f"{run.about}\nData: {data}".strip())
        self.bar.setValue(round(_BAR_STEPS * share_done(run)))
        self.facts.setText(facts_text(run, state, runs))
        for name, _, _, _, states in BUTTONS:
            self.buttons[name].setEnabled(states is None or state in states)
        can_become_model = state in ("finished", "stopped", "paused") and run.step > 0
        self.buttons["publish"].setEnabled(can_become_model and not is_model)
        self.buttons["publish"].setText(
            publishing_text(publishing) if publishing else "Make a Model"
        )
        self.buttons["compare"].setEnabled(is_model)
        self.buttons["clip"].setEnabled(is_model and has_people)
        self.buttons["clip"].setVisible(is_model)
        for name in ("pause", "resume"):  # one of the two, lest the row grow too long
            self.buttons[name].setVisible((name == "resume") is not (state == "running"))
        self.buttons["stop"].setText("Take Out" if state == "queued" else "Stop and Keep")

    def show_following(self, run: RunSummary, following: Following | None) -> None:
        """Show what its process takes, or why there is none."""
        usage = following.usage if following is not None else ""
        self.usage.setText(usage)
        self.usage.setVisible(bool(usage))
        text = problem_text(run, following.last_words if following is not None else "")
        self._problem_text.setText(text)
        self.problem.setVisible(bool(text))


def publishing_text(publishing: Publishing) -> str:
    """What the button says while the errors of the model are measured."""
    left = publishing.seconds_left
    time_left = "" if left is None else f", {format_seconds(left)} left"
    return f"Stop Measuring ({publishing.share:.0%}{time_left})"


def facts_text(run: RunSummary, state: str, runs: Runs) -> str:
    """State, progress, speed and time left in one line."""
    if state == "queued":
        place = runs.waiting.index(run.name) + 1 if run.name in runs.waiting else 0
        after = "starts at once" if place == 1 and not runs.is_one_running else f"place {place}"
        parts = [f"Waiting in the queue, {after}" if place else "Waiting, not in the queue"]
    elif state == "running" and not run.step:
        parts = ["Starting: reading the data"]
    else:
        parts = [state.capitalize()]
    parts.append(f"step {run.step:,} of {run.num_steps:,}")
    if run.stage and state == "running":
        parts.append(f"stage {run.stage}")
    if state == "running" and run.samples_per_s:
        parts.append(f"{run.samples_per_s:,.0f} samples/s")
    if state == "running" and run.seconds_left is not None and run.step:
        parts.append(f"{format_seconds(run.seconds_left)} left")
    if run.best is not None:
        parts.append(f"best {best_text(run)}")
    return " · ".join(parts)


def problem_text(run: RunSummary, last_words: str) -> str:
    """Why a run does not go on, and what to do; empty where all is well."""
    if run.state in ("failed", "broken"):
        return f"{run.message}\n{run.hint}".strip() or f"It failed.\n{last_words}".strip()
    if run.state == "interrupted":
        said = f"\nIts last words: {last_words}" if last_words else ""
        return (
            "Its process ended without saying why: it was killed, or the machine was switched "
            f"off.\nResume goes on from the last checkpoint.{said}"
        )
    return ""


def _problem_box() -> tuple[QFrame, QLabel]:
    box = QFrame()
    box.setFrameShape(QFrame.Shape.StyledPanel)
    sign, text = QLabel(), QLabel()
    sign.setPixmap(icon("warning").pixmap(20, 20))
    text.setWordWrap(True)
    text.setTextFormat(Qt.TextFormat.PlainText)
    text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    text.setProperty("warning", True)
    layout = QHBoxLayout(box)
    layout.setContentsMargins(8, 6, 8, 6)
    layout.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
    layout.addWidget(text, 1)
    box.hide()
    return box, text
