"""Saves that the system refuses, in the real window: the old file stays, and the words help."""

import os
import random
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QMessageBox

from app.operations import follow_ups, notes, save_session
from pose_core.session_io import load_session

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits and users of POSIX")

LONG = random.Random(0).randbytes(20_000).hex()  # does not get shorter when it is packed
NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users can read, as those of pytest cannot."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    path.chmod(0o755)
    shutil.rmtree(path)


@pytest.fixture
def saved(window, open_file, short_clip, folder, qtbot):
    """A window whose session lies in a file, and has a note that is not saved yet."""
    open_file(window, short_clip)
    notes.write_note(window.context, 3, "first")
    save_session.save_to(window.context, folder / "mine.posestage")
    qtbot.waitUntil(lambda: not window.context.document.is_modified)
    notes.write_note(window.context, 4, LONG)
    return window


@contextmanager
def files_of_at_most(num_bytes: int) -> Iterator[None]:
    """The system lets no file grow beyond that: writing fails half-way."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def without_permission(folder: Path) -> Iterator[None]:
    """The folder cannot be written to any more; root is somebody else for a while."""
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


def box_of(window):
    boxes = [box for box in window.findChildren(QMessageBox) if box.isVisible()]
    return boxes[-1] if boxes else None


def press(qtbot, box, label):
    (button,) = [b for b in box.buttons() if b.text().replace("&", "") == label]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("trouble", ["size limit", "no permission"])
def test_a_save_that_is_refused_loses_nothing(saved, folder, trouble, monkeypatch, qtbot):
    window, document, path = saved, saved.context.document, folder / "mine.posestage"
    before = path.read_bytes()
    refusal = files_of_at_most(8192) if trouble == "size limit" else without_permission(folder)
    with refusal:
        QTest.keyClick(window, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
        qtbot.waitUntil(lambda: box_of(window) is not None)
    box = box_of(window)
    why = "larger than this system allows" if trouble == "size limit" else "no permission"
    assert why in box.text()
    assert str(path) in box.text()
    assert "mine.posestage is as it was before" in box.informativeText()
    advice = "raise the limit" if trouble == "size limit" else "Choose another folder"
    assert advice in box.informativeText()
    assert path.read_bytes() == before
    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) == [path.name]
    assert document.is_modified
    assert document.path == path
    assert load_session(path).note(4) is None

    # Another place is offered at once; what was to come after the save comes after that.
    other = folder / "other.posestage"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(other), ""))
    press(qtbot, box, "Save As...")
    qtbot.waitUntil(lambda: not document.is_modified)
    assert load_session(other).note(4).text == LONG
    assert path.read_bytes() == before


def test_closing_waits_for_a_save_that_succeeds(saved, folder, qtbot):
    window, path = saved, folder / "mine.posestage"
    with files_of_at_most(8192):
        window.close()
        qtbot.waitUntil(lambda: box_of(window) is not None)
        press(qtbot, box_of(window), "Save")
        qtbot.waitUntil(
            lambda: (
                box_of(window) is not None and "than this system allows" in box_of(window).text()
            )
        )
    press(qtbot, box_of(window), "Close")
    assert window.isVisible()
    assert window.context.document.is_modified
    window.close()
    qtbot.waitUntil(lambda: box_of(window) is not None)
    press(qtbot, box_of(window), "Save")
    qtbot.waitUntil(lambda: not window.isVisible())
    assert load_session(path).note(4).text == LONG


def test_a_save_waits_for_what_completes_an_edit(saved, folder, monkeypatch, qtbot):
    """But not for ever: a network that never answers must not keep anybody from saving."""
    context, path = saved.context, folder / "mine.posestage"
    context.follow_ups.set_pending(True)
    save_session.save(context)
    qtbot.wait(100)
    assert context.saving is None
    assert load_session(path).note(4) is None
    notes.write_note(context, 5, "what follows")
    context.follow_ups.set_pending(False)
    qtbot.waitUntil(lambda: not context.document.is_modified)
    assert load_session(path).note(5) is not None

    context.follow_ups._limit.setInterval(50)
    notes.write_note(context, 6, "more")
    context.follow_ups.set_pending(True)
    save_session.save(context)
    qtbot.waitUntil(lambda: not context.document.is_modified)
    assert load_session(path).note(6) is not None
    assert follow_ups.MOST_WAIT_MS > 5000

    # Of a session that is closed meanwhile nothing is saved.
    notes.write_note(context, 7, "lost by choice")
    context.follow_ups.set_pending(True)
    save_session.save(context)
    context.document.open(None)
    context.follow_ups.set_pending(False)
    qtbot.wait(50)
    assert load_session(path).note(7) is None
