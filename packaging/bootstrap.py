"""Set PoseStage up on a machine with nothing but Python, then run or test it.

    python packaging/bootstrap.py run     # the main job on the bundled clip
    python packaging/bootstrap.py test    # linters and the whole test suite

Only the standard library is used. Everything goes into ``.venv`` of this checkout, apart from the
detector's weights (the user's data folder) and, on Debian as root, missing system packages.
Running it again is quick, and repairs what is broken.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "posestage-setup.json"
OUTPUT = ROOT / "output"
OLDEST_PYTHON = (3, 11)
MOST_TEST_PROCESSES = 4  # each takes some 2 GB

# What Qt needs to start, even without a screen.
QT_PACKAGES = [
    *("libegl1", "libgl1", "libxkbcommon0", "libdbus-1-3", "libfontconfig1", "libfreetype6"),
    *("libglib2.0-0", "libx11-6", "fonts-dejavu-core"),
]
# What a real window on a virtual screen needs; libxcb-cursor0 is also needed on a real one.
XVFB_PACKAGES = [
    *("xvfb", "xauth", "libgl1-mesa-dri", "libglx-mesa0", "libegl-mesa0", "libx11-xcb1"),
    *("libxkbcommon-x11-0", "libxcb-cursor0", "libxcb-icccm4", "libxcb-image0"),
    *("libxcb-keysyms1", "libxcb-randr0", "libxcb-render0", "libxcb-render-util0"),
    *("libxcb-shape0", "libxcb-shm0", "libxcb-sync1", "libxcb-util1", "libxcb-xfixes0"),
    *("libxcb-xkb1", "libxcb-glx0"),
]

# Runs inside .venv: names the installed distributions that have lost files, which pip itself
# does not notice. It fails where a distribution has even lost its own description.
PROBE = """
import importlib.metadata, json, os
damaged = set()
for dist in importlib.metadata.distributions():
    root = str(dist.locate_file(""))
    for line in dist.read_text("RECORD").splitlines():
        path = line.rsplit(",", 2)[0].strip('"')
        if not path.endswith(".pyc") and not os.path.exists(os.path.join(root, path)):
            damaged.add(dist.metadata["Name"] + "==" + dist.version)
            break
print(json.dumps(sorted(damaged)))
"""


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


# --- small helpers -----------------------------------------------------------------------------


def say(text: str) -> None:
    """One line of progress."""
    print(f"bootstrap: {text}", flush=True)


def run(command: list, **variables: str) -> int:
    """Run a command in the checkout, with extra environment variables; returns its exit code."""
    words = [str(word) for word in command]
    say(shlex.join(words))
    try:
        done = subprocess.run(words, cwd=ROOT, env={**os.environ, **variables}, check=False)
    except OSError as error:
        raise SetupError(f"{words[0]} cannot be started: {error.strerror}.") from error
    return done.returncode


def must(command: list, why: str, **variables: str) -> None:
    """Run a command that has to succeed."""
    code = run(command, **variables)
    if code != 0:
        raise SetupError(f"{why} (exit code {code}; the output above says why).")


def answer(command: list) -> "str | None":
    """Return what a command prints, or None where it cannot be run or fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def has_display() -> bool:
    """Whether windows can be shown to somebody."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


# --- system packages ---------------------------------------------------------------------------


def installed_packages(listing: str) -> "set[str]":
    """Names in a ``dpkg-query`` listing that are installed, with what they provide.

    The provided names matter: newer releases call libglib2.0-0 libglib2.0-0t64.
    """
    names = set()
    for line in listing.splitlines():
        status, package, provides = line.split("\t")
        if status == "installed":
            names.add(package)
            names.update(entry.split()[0] for entry in provides.split(",") if entry.strip())
    return names


def missing_packages(wanted: "list[str]") -> "list[str]":
    """Debian packages that are wanted and not installed; none where this is not Debian."""
    if sys.platform != "linux":
        return []
    layout = "${db:Status-Status}\t${Package}\t${Provides}\n"
    listing = answer(["dpkg-query", "-W", "-f", layout])
    if listing is None:
        say("this is not Debian: if a library is missing, .venv/bin/posestage doctor names it")
        return []
    present = installed_packages(listing)
    return [name for name in wanted if name not in present]


def ensure_packages(wanted: "list[str]") -> bool:
    """Install missing Debian packages when root, or say how; True when nothing is missing."""
    missing = missing_packages(wanted)
    if not missing:
        return True
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        run(["apt-get", "update"])  # a stale mirror need not stop the install
        if run(install, DEBIAN_FRONTEND="noninteractive") == 0:
            return True
    say("system libraries are missing. Install them with:")
    say(f"    sudo {shlex.join(install)}")
    return False


def python_packages() -> "list[str]":
    """Debian package that brings `venv`, where this Python came without it."""
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return []
    return [f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"]


# --- the Python environment --------------------------------------------------------------------


def venv_program(name: str) -> Path:
    """Path of a program inside .venv."""
    if sys.platform == "win32":
        return VENV / "Scripts" / f"{name}.exe"
    return VENV / "bin" / name


def stamp_of(extras: "list[str]") -> dict:
    """Return what decides whether an installed environment is still the right one."""
    project = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return {
        "project": project,
        "python": platform.python_version(),
        "folder": str(VENV),
        "extras": sorted(set(extras)),
    }


def read_stamp() -> dict:
    """Stamp of the last finished set-up; empty where there is none."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(stamp: dict) -> None:
    """Record a finished set-up, atomically."""
    partial = STAMP.with_suffix(".partial")
    partial.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    partial.replace(STAMP)


def venv_is_sound() -> bool:
    """Whether .venv is an environment of this Python version, with a pip that works."""
    python = venv_program("python")
    show = "import platform, sys; print(platform.python_version()); print(sys.prefix)"
    # Without its configuration file the environment's Python is the system's: see the prefix.
    version, _, prefix = (answer([python, "-c", show]) or "").strip().partition("\n")
    if version != platform.python_version() or Path(prefix).resolve() != VENV.resolve():
        return False
    return answer([python, "-m", "pip", "--version"]) is not None


def damaged_packages() -> "list[str] | None":
    """Installed packages (``name==version``) that have lost files; None where beyond repair."""
    listing = answer([venv_program("python"), "-c", PROBE])
    return None if listing is None else json.loads(listing)


def ensure_environment(extras: "list[str]") -> None:
    """Make .venv, or mend it, with PoseStage and these extras installed."""
    python = venv_program("python")
    damaged = damaged_packages() if venv_is_sound() else None
    if damaged is None:
        say("making .venv anew: it is broken" if VENV.exists() else "making .venv")
        STAMP.unlink(missing_ok=True)
        must([sys.executable, "-m", "venv", "--clear", VENV], "The environment cannot be made")
        damaged = []
    stamp = read_stamp()
    # Extras of an earlier set-up stay: `run` after `test` takes nothing away.
    wanted = stamp_of([*extras, *stamp.get("extras", [])])
    if stamp == wanted and not damaged and answer([python, "-m", "pip", "check"]) is not None:
        say(".venv is complete")
        return
    STAMP.unlink(missing_ok=True)
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    others = [name for name in damaged if not name.startswith("posestage==")]
    if others:
        say(f"files of {', '.join(others)} are gone: installing them again")
        must([*pip, "--force-reinstall", "--no-deps", *others], "Packages cannot be mended")
    names = ",".join(wanted["extras"])
    target = f"{ROOT}[{names}]" if names else ROOT
    must([*pip, "--editable", target], "PoseStage cannot be installed")
    write_stamp(wanted)


def ensure_weights() -> None:
    """Fetch the detector's weights, or check those that are there."""
    fetch = [venv_program("python"), "-m", "pose_core.detection.weights", "fetch"]
    must(fetch, "The detector's weights cannot be fetched")


# --- run ---------------------------------------------------------------------------------------


def bundled_clip() -> Path:
    """Path of the sample video of the checkout."""
    clips = sorted((ROOT / "resources" / "samples").glob("*.mp4"))
    if not clips:
        raise SetupError("The checkout has no clip in resources/samples. Clone it again.")
    return clips[0]


def screen_prefix() -> "list[str]":
    """Words before a command that give it a screen; none where there is one."""
    if sys.platform in ("win32", "darwin"):
        return []
    return ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]


def run_headless() -> int:
    """Estimate the bundled clip without a display, and say where the results lie."""
    clip = bundled_clip()
    posestage = venv_program("posestage")
    code = run([posestage, "estimate", clip, "--out", OUTPUT, "--formats", "bvh,csv,mp4"])
    if code != 0:
        return code
    screenshot = OUTPUT / f"{clip.stem}.window.png"
    screenshot.unlink(missing_ok=True)
    if shutil.which("xvfb-run"):
        shoot = [posestage, "gui", clip, "--estimate", "--screenshot", screenshot]
        code = run([*screen_prefix(), *shoot], QT_QPA_PLATFORM="xcb")
    else:
        say("no screenshot: there is neither a display nor Xvfb (Debian package xvfb)")
    say("there is no display, so the main job ran without one. It left:")
    for path in sorted(OUTPUT.glob(f"{clip.stem}.*")):
        say(f"    {path}")
    return code


def command_run() -> int:
    """Set up, then do the main job."""
    wanted = QT_PACKAGES + (["libxcb-cursor0"] if has_display() else XVFB_PACKAGES)
    ensure_packages(python_packages() + wanted)
    ensure_environment([])
    ensure_weights()
    if has_display():
        return run([venv_program("posestage"), "gui", bundled_clip()])
    return run_headless()


# --- test --------------------------------------------------------------------------------------


def command_test() -> int:
    """Set up with the test tools, then run the linters and the tests; the first failure's code."""
    needed = python_packages() + QT_PACKAGES + XVFB_PACKAGES
    ensure_packages([*needed, "ffmpeg"])  # without ffmpeg some tests of the video reader skip
    if missing_packages(needed):
        raise SetupError("The tests open real windows and need these libraries.")
    ensure_environment(["dev", "test"])
    ensure_weights()
    checks = [
        [venv_program("ruff"), "check", "."],
        [venv_program("pyright")],
        [venv_program("lint-imports")],
    ]
    codes = [run(check) for check in checks]
    # A process per core, each with a screen of its own (pytest-xvfb) and one thread for torch.
    variables = {"OMP_NUM_THREADS": "1"}
    if sys.platform not in ("win32", "darwin"):
        variables["QT_QPA_PLATFORM"] = "xcb"
    processes = str(min(os.cpu_count() or 1, MOST_TEST_PROCESSES))
    tests = [venv_program("python"), "-m", "pytest", "-n", processes, "--dist", "loadfile"]
    codes.append(run(tests, **variables))
    return next((code for code in codes if code != 0), 0)


COMMANDS = {"run": command_run, "test": command_test}


def main(arguments: "list[str]") -> int:
    """Parse the command line, run the command, and turn errors into one line."""
    if sys.version_info < OLDEST_PYTHON:
        found = platform.python_version()
        print(
            f"bootstrap: error: PoseStage needs Python 3.11 or newer; {sys.executable} is {found}."
            " Start this script with a newer one, for example: python3.12 packaging/bootstrap.py",
            file=sys.stderr,
        )
        return 2
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=sorted(COMMANDS))
    try:
        return COMMANDS[parser.parse_args(arguments).command]()
    except SetupError as error:
        print(f"bootstrap: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bootstrap: stopped; run it again to go on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
