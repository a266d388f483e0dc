"""What importing pose_core brings in: no Qt, and nothing slow before it is needed."""

import json
import subprocess
import sys

QT = ("PySide6", "shiboken6", "pyqtgraph", "vispy", "app")
SLOW = ("torch", "scipy", "trimesh", "cv2", "av", "ai_edge_litert")

LIST_MODULES = "import json, sys; print(json.dumps(sorted(sys.modules)))"

IMPORT_ALL = f"""
import importlib, pkgutil, pose_core
for module in pkgutil.walk_packages(pose_core.__path__, "pose_core."):
    importlib.import_module(module.name)
{LIST_MODULES}
"""


def modules_after(code):
    """Names of the modules that a fresh process has loaded after running some code."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def of_packages(modules, packages):
    return [name for name in modules if name.partition(".")[0] in packages]


def test_all_of_pose_core_imports_without_qt_and_the_application():
    modules = modules_after(IMPORT_ALL)
    assert "pose_core.skeleton" in modules
    assert of_packages(modules, QT) == []


def test_importing_pose_core_is_light():
    modules = modules_after(f"import pose_core\n{LIST_MODULES}")
    assert of_packages(modules, (*SLOW, *QT, "numpy")) == []


def test_the_nouns_are_light():
    nouns = "skeleton, poses, clip, camera, geometry, session, errors, resources"
    modules = modules_after(f"from pose_core import {nouns}\n{LIST_MODULES}")
    assert of_packages(modules, (*SLOW, *QT)) == []


def test_the_command_line_starts_light():
    modules = modules_after(f"import pose_core.cli\n{LIST_MODULES}")
    assert "pose_core.commands.estimate" in modules
    assert of_packages(modules, (*SLOW, *QT)) == []
