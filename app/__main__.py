"""``python -m app [FILE]``: open the application."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if sys.platform == "win32":
    # Qt's libraries and those of PyTorch clash unless PyTorch comes first.
    import torch  # noqa: F401

from PySide6.QtCore import QSettings, QTimer

from app import bootstrap
from app.main_window import MainWindow
from app.screenshot import Screenshot
from app.settings import Settings
from app.widgets.theme import THEMES, theme

EXIT_NO_DISPLAY = 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options of the application."""
    parser = argparse.ArgumentParser(prog="posestage gui", description="Open the application.")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="video or session")
    parser.add_argument(
        "--screenshot",
        type=Path,
        metavar="PNG",
        help="save a picture of the window once it shows the file, and close",
    )
    parser.add_argument(
        "--estimate", action="store_true", help="estimate first; with --screenshot only"
    )
    parser.add_argument(
        "--training",
        type=Path,
        metavar="FOLDER",
        help="show the training window with the runs in this folder",
    )
    parser.add_argument(
        "--theme",
        choices=list(THEMES),
        help="colours for this time; by default those of the settings",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the application until its window closes.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the program's name; those of the process by default.

    Returns
    -------
    int
        Exit code.
    """
    options = parse(arguments)
    bootstrap.prepare_environment()
    if not bootstrap.has_display():
        message = "no display: the window cannot be shown. Use posestage estimate instead.\n"
        sys.stderr.write(f"posestage: error: {message}")
        return EXIT_NO_DISPLAY
    bootstrap.enable_crash_trace()
    application = bootstrap.make_application([])
    settings = Settings()
    if options.screenshot is not None:
        # The user's own settings and layout have no part in a screenshot: these go nowhere.
        settings = Settings(QSettings("", QSettings.Format.IniFormat))
    bootstrap.apply_theme(settings)
    if options.theme is not None:
        theme().choose(options.theme)
    window = MainWindow(settings)
    reporter = bootstrap.ErrorReporter(window)
    window.show()
    bootstrap.GuiGarbageCollector(window)
    training = None if options.training is None else window.training.show_folder(options.training)
    if options.screenshot is not None:
        screenshot = Screenshot(
            window,
            options.file,
            options.screenshot,
            is_estimated=options.estimate,
            training=training,
        )
        reporter.reported.connect(screenshot.fail)
    else:
        if options.file is not None:
            QTimer.singleShot(0, lambda: window.open_path(options.file))
        QTimer.singleShot(0, window.offer_recovery)
    return application.exec()


if __name__ == "__main__":
    sys.exit(main())
