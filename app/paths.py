"""Files and folders of the application."""

from pathlib import Path

from pose_core.resources import resource_path, user_data_dir

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".gif")


def sample_clip() -> Path | None:
    """The bundled clip, or None where the installation has none."""
    clips = sorted(resource_path("samples").glob("*.mp4"))
    return clips[0] if clips else None


def recovery_dir() -> Path:
    """Folder of the automatic copies of unsaved sessions."""
    folder = user_data_dir() / "recovery"
    folder.mkdir(exist_ok=True)
    return folder
