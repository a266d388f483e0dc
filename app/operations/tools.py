"""The system report and the credits."""

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution

from app.dialogs.report import ReportDialog
from app.operations.context import AppContext
from app.workers.task import Task
from pose_core.doctor import as_text, examine
from pose_core.resources import resource_root


def show_system_report(context: AppContext) -> None:
    """Examine the machine and show what was found."""
    dialog = ReportDialog("System Report", "Looking at this machine...", context.window)
    dialog.open()
    task = Task("system report", lambda: as_text(list(examine())))
    task.succeeded.connect(dialog.show_text)
    task.failed.connect(dialog.close)
    context.start_task(task, "Making the system report")


def credits_text() -> str:
    """The notice with all credits: from the checkout, or as installed with the package."""
    notice = resource_root().parent / "NOTICE"
    if notice.is_file():
        return notice.read_text(encoding="utf-8")
    with suppress(PackageNotFoundError):
        text = distribution("posestage").read_text("licenses/NOTICE")
        if text is not None:
            return text
    return "The file NOTICE with the credits is missing from this installation."
