"""The settings dialog, and body height and camera of the clip."""

from app.dialogs.settings_dialog import Choice, ClipScale, SettingsDialog
from app.operations.context import AppContext
from app.operations.lift import set_scale
from app.operations.models import ModelChoice
from app.operations.safety import AUTOSAVE_SECONDS, BACKUPS, HISTORY_MB
from app.operations.thresholds import store_thresholds, stored_thresholds
from app.widgets.theme import THEMES, theme
from pose_core.analysis.anatomy import AnatomyThresholds
from pose_core.camera import Camera

DEVICES = {"auto": "Automatic", "cpu": "Processor (CPU)", "cuda": "Graphics card (CUDA)"}
QUALITIES = {"fast": "Fast", "accurate": "Accurate"}
PERSONS = {"largest": "Largest person", "all": "All people"}


def show_settings(
    context: AppContext, models: list[ModelChoice], *, of_clip: bool = False
) -> SettingsDialog:
    """Ask for the settings; `of_clip` turns to the page of the open clip."""
    dialog = SettingsDialog(
        {
            "Application": _choices(context, models),
            "Saving and Undo": _saving_choices(context),
        },
        stored_thresholds(context.settings),
        _scale(context),
        lambda values, thresholds, scale: _apply(context, values, thresholds, scale),
        context.window,
    )
    if of_clip:
        dialog.show_clip_page()
    dialog.open()
    return dialog


def _choices(context: AppContext, models: list[ModelChoice]) -> list[Choice]:
    titles = {model.name: model.title for model in models}
    table = (
        ("theme", "Theme", THEMES, ""),
        ("model", "Model", titles, ""),
        ("device", "Runs on", DEVICES, "Automatic takes the graphics card where it can be used."),
        ("quality", "Quality", QUALITIES, "Accurate looks at several crops of each frame."),
        ("person", "People", PERSONS, ""),
    )
    return [
        Choice(key, label, values, context.settings.get(key, ""), tip)
        for key, label, values, tip in table
    ]


def _saving_choices(context: AppContext) -> list[Choice]:
    table = (
        (
            "autosave_s",
            "Lose no more than",
            AUTOSAVE_SECONDS,
            "30",
            "An automatic copy of unsaved work is written that often, never over your own file.",
        ),
        (
            "num_backups",
            "Backups",
            BACKUPS,
            "3",
            "Earlier session files are kept beside the present one, as NAME.backup1.posestage.",
        ),
        (
            "history_mb",
            "Memory for undo",
            HISTORY_MB,
            "256",
            "When it is full, the oldest steps are forgotten. It is saved with the session.",
        ),
    )
    return [
        Choice(key, label, values, context.settings.get(key, default), tip)
        for key, label, values, default, tip in table
    ]


def _scale(context: AppContext) -> ClipScale | None:
    session = context.document.session
    if session is None:
        return None
    assumed = Camera.assumed(session.clip.width, session.clip.height).focal_px
    return ClipScale(session.body_height_m, session.focal_px, assumed)


def _apply(
    context: AppContext,
    values: dict[str, str],
    thresholds: AnatomyThresholds,
    scale: ClipScale | None,
) -> None:
    for key, value in values.items():
        context.settings.set(key, value)
    store_thresholds(context.settings, thresholds)
    theme().choose(values["theme"])
    context.settings_changed.emit()
    session = context.document.session
    if session is None or scale is None:
        return
    if (scale.body_height_m, scale.focal_px) != (session.body_height_m, session.focal_px):
        set_scale(context, scale.body_height_m, scale.focal_px)
