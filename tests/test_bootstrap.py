"""The set-up script: what it finds missing, and how it repairs a half-made environment."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "packaging" / "bootstrap.py"


@pytest.fixture
def bootstrap(tmp_path, monkeypatch):
    """Load the script as a module, pointed at a checkout of its own."""
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    checkout = tmp_path / "check out"
    checkout.mkdir()
    (checkout / "pyproject.toml").write_text("[project]\nname = 'sample'\n")
    monkeypatch.setattr(module, "ROOT", checkout)
    monkeypatch.setattr(module, "VENV", checkout / ".venv")
    monkeypatch.setattr(module, "STAMP", checkout / ".venv" / "posestage-setup.json")
    return module


@pytest.fixture
def commands(bootstrap, monkeypatch):
    """Record the commands instead of running them, except for making the environment."""
    seen = []
    really_run = bootstrap.run

    def record(command, **variables):
        words = [str(word) for word in command]
        seen.append(words)
        # Without pip the environment is made in a moment, and needs nothing from outside.
        return really_run([*command, "--without-pip"]) if "venv" in words else 0

    monkeypatch.setattr(bootstrap, "run", record)
    return seen


@pytest.fixture(scope="session")
def venv_template(tmp_path_factory):
    """Make one environment with pip, which takes seconds; the tests use copies."""
    folder = tmp_path_factory.mktemp("template") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder


@pytest.fixture
def real_venv(bootstrap, venv_template):
    """Make a real environment with pip and one installed distribution."""
    shutil.copytree(venv_template, bootstrap.VENV, symlinks=True)
    site = site_packages(bootstrap)
    (site / "sample.py").write_text("value = 1\n")
    info = site / "sample-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 1.2\n")
    (info / "RECORD").write_text("sample.py,,\nsample-1.2.dist-info/METADATA,,\n")
    return bootstrap.VENV


def site_packages(bootstrap):
    show = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(bootstrap.answer([bootstrap.venv_program("python"), "-c", show]).strip())


def test_installed_packages_count_what_they_provide(bootstrap):
    listing = (
        "installed\tlibglib2.0-0t64\tlibglib2.0-0 (= 2.84), libglib2.0-0-compat\n"
        "installed\txauth\t\n"
        "config-files\txvfb\t\n"
    )
    assert bootstrap.installed_packages(listing) == {
        *("libglib2.0-0t64", "libglib2.0-0", "libglib2.0-0-compat", "xauth"),
    }


@pytest.mark.skipif(sys.platform != "linux", reason="Debian packages are looked for on Linux only")
def test_only_absent_packages_are_missing(bootstrap, monkeypatch):
    monkeypatch.setattr(bootstrap, "answer", lambda command: "installed\txauth\t\n")
    assert bootstrap.missing_packages(["xauth", "xvfb"]) == ["xvfb"]


def test_no_package_is_missing_where_there_is_no_dpkg(bootstrap, monkeypatch):
    monkeypatch.setattr(bootstrap, "answer", lambda command: None)
    assert bootstrap.missing_packages(["xvfb"]) == []


def test_root_installs_what_is_missing_after_one_update(bootstrap, commands, monkeypatch):
    monkeypatch.setattr(bootstrap, "missing_packages", lambda wanted: ["xvfb"])
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 0, raising=False)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert bootstrap.ensure_packages(["xvfb"])
    assert [words[1] for words in commands] == ["update", "install"]
    assert "xvfb" in commands[1]


def test_nothing_missing_runs_no_package_manager(bootstrap, commands, monkeypatch):
    monkeypatch.setattr(bootstrap, "missing_packages", lambda wanted: [])
    assert bootstrap.ensure_packages(["xvfb"])
    assert commands == []


def test_others_are_told_exactly_what_to_install(bootstrap, commands, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "missing_packages", lambda wanted: ["xvfb", "xauth"])
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000, raising=False)
    assert not bootstrap.ensure_packages(["xvfb", "xauth"])
    assert commands == []
    printed = capsys.readouterr().out
    assert "sudo apt-get install --yes --no-install-recommends xvfb xauth" in printed


def test_fresh_checkout_gets_an_environment_and_a_stamp(bootstrap, commands):
    bootstrap.ensure_environment(["test"])
    assert commands[0][1:3] == ["-m", "venv"]
    assert commands[-1][-2:] == ["--editable", f"{bootstrap.ROOT}[test]"]
    assert bootstrap.read_stamp() == bootstrap.stamp_of(["test"])


def test_complete_environment_is_left_alone(bootstrap, commands, real_venv):
    bootstrap.write_stamp(bootstrap.stamp_of(["test"]))
    bootstrap.ensure_environment([])
    assert commands == []


def test_changed_project_is_installed_again_with_the_extras_it_had(bootstrap, commands, real_venv):
    bootstrap.write_stamp(bootstrap.stamp_of(["test"]))
    (bootstrap.ROOT / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    bootstrap.ensure_environment([])
    assert [words[-1] for words in commands] == [f"{bootstrap.ROOT}[test]"]


def test_deleted_package_is_installed_again(bootstrap, commands, real_venv):
    bootstrap.write_stamp(bootstrap.stamp_of([]))
    (site_packages(bootstrap) / "sample.py").unlink()
    bootstrap.ensure_environment([])
    assert commands[0][-3:] == ["--force-reinstall", "--no-deps", "sample==1.2"]
    assert commands[1][-2:] == ["--editable", str(bootstrap.ROOT)]


def test_stopped_install_is_finished(bootstrap, commands, real_venv):
    """An environment without a stamp is one whose installation did not end."""
    bootstrap.ensure_environment([])
    assert [words[-2] for words in commands] == ["--editable"]
    assert bootstrap.read_stamp() == bootstrap.stamp_of([])


@pytest.mark.parametrize(
    "damage",
    ["python", "pyvenv.cfg", "pip", "RECORD"],
)
def test_broken_environment_is_made_anew(bootstrap, commands, real_venv, damage):
    bootstrap.write_stamp(bootstrap.stamp_of([]))
    site = site_packages(bootstrap)
    broken = {
        "python": bootstrap.venv_program("python"),
        "pyvenv.cfg": real_venv / "pyvenv.cfg",
        "pip": site / "pip" / "__init__.py",
        "RECORD": site / "sample-1.2.dist-info" / "RECORD",
    }[damage]
    broken.unlink()
    if damage == "pip":
        broken.write_text("raise ImportError('half a pip')")
    bootstrap.ensure_environment([])
    assert commands[0][1:4] == ["-m", "venv", "--clear"]
    assert not (site / "sample.py").exists()


def test_altered_stamp_counts_as_none(bootstrap):
    bootstrap.VENV.mkdir()
    bootstrap.STAMP.write_text("[1, 2")
    assert bootstrap.read_stamp() == {}
    bootstrap.STAMP.write_text(json.dumps([1]))
    assert bootstrap.read_stamp() == {}


def test_failing_step_stops_with_one_line(bootstrap, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "missing_packages", lambda wanted: [])
    monkeypatch.setattr(bootstrap, "run", lambda command, **variables: 7)
    assert bootstrap.main(["run"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("bootstrap: error: The environment cannot be made (exit code 7")
    assert error.count("\n") == 1


def test_old_python_is_named(bootstrap, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "OLDEST_PYTHON", (99, 0))
    assert bootstrap.main(["run"]) == 2
    assert sys.executable in capsys.readouterr().err


def test_packaging_folder_does_not_shadow_the_library():
    """With an ``__init__.py`` it would hide the library that pip and pytest import."""
    assert not (SCRIPT.parent / "__init__.py").exists()
