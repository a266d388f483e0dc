"""What PoseStage finds on this machine, what is missing, and the command that mends it."""

import ctypes
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import psutil

import pose_core
from pose_core.detection.weights import weights_status
from pose_core.errors import PoseStageError
from pose_core.models.registry import installed_models, load_user_models
from pose_core.resources import resource_root, user_data_dir

REINSTALL = "python packaging/bootstrap.py run"

# Shared libraries that Qt loads on Linux, and the Debian packages that bring them.
QT_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
}
# What it also needs on X11. Without libxcb-cursor Qt blames the wrong library.
XCB_LIBRARIES = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}

_PROBE_TIMEOUT_S = 60

# Run in processes of their own: a broken driver ends the process that touches it.
_GPU_PROBE = """
import json, torch
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
threads = torch.get_num_threads()
print(json.dumps({"devices": names, "cuda": torch.version.cuda, "threads": threads}))
"""
_OPENGL_PROBE = """
import json
from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext
app = QGuiApplication([])
surface = QOffscreenSurface()
surface.create()
context = QOpenGLContext()
made = context.create() and context.makeCurrent(surface)
names = [context.functions().glGetString(n) for n in (0x1F02, 0x1F01)] if made else []
print(json.dumps({"platform": app.platformName(), "opengl": names}))
"""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Parameters
    ----------
    group, name : str
    state : {"ok", "note", "missing"}
        Missing: PoseStage cannot do its main job so. Note: good to know.
    detail : str
    fix : str
        The command that mends it; empty where there is nothing to mend.
    """

    group: str
    name: str
    state: Literal["ok", "note", "missing"]
    detail: str
    fix: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything; each finding comes as soon as it is known."""
    yield from examine_machine()
    yield from examine_packages()
    yield from examine_weights()
    yield from examine_compute()
    yield from examine_display()


def examine_machine() -> Iterator[Finding]:
    """Versions of PoseStage, Python and the system; processor, memory, folders."""
    memory_gb = psutil.virtual_memory().total / 1e9
    cores = psutil.cpu_count(logical=False) or os.cpu_count()
    yield Finding("machine", "PoseStage", "ok", pose_core.__version__)
    yield Finding("machine", "Python", "ok", f"{platform.python_version()} ({sys.executable})")
    yield Finding("machine", "system", "ok", platform.platform())
    yield Finding("machine", "processor", "ok", f"{platform.machine()}, {cores} cores")
    yield Finding("machine", "memory", "ok", f"{memory_gb:.1f} GB")
    try:
        yield Finding("machine", "resources", "ok", str(resource_root()))
    except PoseStageError as error:
        yield Finding("machine", "resources", "missing", error.message, REINSTALL)
    yield examine_data_folder()


def examine_data_folder() -> Finding:
    """Check that the user's data folder can be written, and its room."""
    try:
        folder = user_data_dir()
    except OSError as error:
        fix = "set POSESTAGE_DATA_DIR to a folder that can be written"
        return Finding("machine", "data folder", "missing", str(error), fix)
    free_gb = shutil.disk_usage(folder).free / 1e9
    detail = f"{folder}, {free_gb:.1f} GB free"
    if not os.access(folder, os.W_OK):
        fix = "permit writing there, or set POSESTAGE_DATA_DIR to another folder"
        return Finding("machine", "data folder", "missing", f"{detail}, not writable", fix)
    return Finding("machine", "data folder", "ok", detail)


def examine_packages() -> Iterator[Finding]:
    """Look for the Python packages that PoseStage asks for."""
    try:
        requirements = importlib.metadata.requires("posestage") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("packages", "posestage", "missing", "not installed", REINSTALL)
        return
    for requirement in requirements:
        if "extra ==" in requirement:
            continue
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        try:
            yield Finding("packages", name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            fix = f'{sys.executable} -m pip install "{requirement}"'
            yield Finding("packages", name, "missing", "not installed", fix)


def examine_weights() -> Iterator[Finding]:
    """Check the weights of the detector and of the lifting networks against their hashes."""
    for file in weights_status():
        state = "ok" if file.state == "intact" else "missing"
        fix = "" if state == "ok" else f"{sys.executable} -m pose_core.detection.weights fetch"
        detail = f"{file.state}, {file.path}"
        yield Finding("weights", f"detector {file.path.name}", state, detail, fix)
    try:
        entries = installed_models().values()
    except PoseStageError as error:
        yield Finding("weights", "manifest", "missing", error.message, error.hint)
        return
    for entry in entries:
        try:
            entry.check()
        except PoseStageError as error:
            yield Finding("weights", f"model {entry.name}", "missing", error.message, error.hint)
        else:
            yield Finding("weights", f"model {entry.name}", "ok", f"intact, {entry.path}")
    for name, error in load_user_models().problems.items():
        yield Finding("weights", f"model {name}", "note", error.message, error.hint)


def probe(code: str) -> dict | str:
    """Run Python code that prints JSON in a process of its own.

    Returns
    -------
    dict or str
        What it printed, or why there is nothing: the last line it complained with.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {_PROBE_TIMEOUT_S} s"
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    complaint = done.stderr.strip().rpartition("\n")[2]
    return complaint or f"it crashed (exit code {done.returncode})"


def examine_compute() -> Iterator[Finding]:
    """PyTorch and the graphics card that it can compute on."""
    answer = probe(_GPU_PROBE)
    if isinstance(answer, str):
        fix = f"{sys.executable} -m pip install --force-reinstall torch"
        yield Finding("compute", "PyTorch", "missing", answer, fix)
        return
    yield Finding("compute", "PyTorch", "ok", f"{answer['threads']} threads")
    if answer["devices"]:
        detail = f"CUDA {answer['cuda']}: {', '.join(answer['devices'])}"
        yield Finding("compute", "GPU", "ok", detail)
    elif answer["cuda"]:
        detail = f"this PyTorch has CUDA {answer['cuda']} but finds no device; the CPU is used"
        yield Finding("compute", "GPU", "note", detail)
    else:
        yield Finding("compute", "GPU", "note", "this PyTorch is a CPU build; the CPU is used")


def examine_display() -> Iterator[Finding]:
    """Screen, the libraries Qt needs there, and OpenGL."""
    has_screen = sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if sys.platform == "linux":
        libraries = QT_LIBRARIES | XCB_LIBRARIES
        # Without a screen only the command line is used, and it needs none of them.
        yield examine_libraries(libraries, "missing" if has_screen else "note")
    if not has_screen:
        detail = "no screen (DISPLAY and WAYLAND_DISPLAY are not set): the window cannot be shown"
        yield Finding("display", "screen", "note", f"{detail}, the command line works")
        return
    answer = probe(_OPENGL_PROBE)
    if isinstance(answer, str):
        yield Finding("display", "Qt", "missing", answer, REINSTALL)
        return
    yield Finding("display", "Qt", "ok", f"platform {answer['platform']}")
    if answer["opengl"]:
        yield Finding("display", "OpenGL", "ok", ", ".join(answer["opengl"]))
    else:
        fix = "install the driver of the graphics card (Debian: apt-get install libgl1-mesa-dri)"
        yield Finding("display", "OpenGL", "missing", "no context can be made", fix)


def examine_libraries(
    libraries: dict[str, str], state_if_absent: Literal["note", "missing"]
) -> Finding:
    """Shared libraries by file name, with the Debian packages that bring them."""
    absent = [package for library, package in libraries.items() if not can_load(library)]
    if not absent:
        return Finding("display", "libraries", "ok", f"all {len(libraries)} that Qt needs")
    fix = f"apt-get install {' '.join(absent)}"
    return Finding("display", "libraries", state_if_absent, f"{len(absent)} not found", fix)


def can_load(library: str) -> bool:
    """Whether the system's loader finds a shared library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def as_text(findings: Sequence[Finding]) -> str:
    """Format findings as a plain report to copy into a message."""
    width = max(len(finding.name) for finding in findings)
    marks = {"ok": "  ", "note": "- ", "missing": "! "}
    lines, group = [], ""
    for finding in findings:
        if finding.group != group:
            group = finding.group
            lines.append(group)
        lines.append(f"{marks[finding.state]}  {finding.name:{width}}  {finding.detail}")
        if finding.fix:
            lines.append(f"    {'':{width}}  mend with: {finding.fix}")
    num_missing = sum(finding.state == "missing" for finding in findings)
    lines.append(f"{num_missing} missing" if num_missing else "nothing is missing")
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """Format findings as JSON: ``{"ok": bool, "findings": [...]}``."""
    is_ok = all(finding.state != "missing" for finding in findings)
    return json.dumps({"ok": is_ok, "findings": [asdict(f) for f in findings]}, indent=1)
