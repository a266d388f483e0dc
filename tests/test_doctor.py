"""The doctor: it must find what is missing and name the command that mends it."""

import json
import sys

import pytest

from pose_core import doctor
from pose_core.cli import main
from pose_core.doctor import Finding, as_json, as_text, examine_libraries, examine_packages, probe


@pytest.fixture
def no_screen(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_report_covers_machine_packages_weights_and_graphics():
    findings = by_name(doctor.examine())
    assert findings["Python"].detail.startswith(".".join(map(str, sys.version_info[:3])))
    for package in ("torch", "numpy", "av", "pyside6-essentials", "ai-edge-litert"):
        assert findings[package].state == "ok"
        assert findings[package].detail[0].isdigit()
    assert findings["PyTorch"].state == "ok"
    assert findings["GPU"].state in ("ok", "note")


def test_absent_package_is_missing_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setattr(
        doctor.importlib.metadata,
        "requires",
        lambda name: ["numpy>=2,<3", "no-such-package!=1.0,>=0.5", 'pytest>=8; extra == "test"'],
    )
    findings = by_name(examine_packages())
    assert set(findings) == {"numpy", "no-such-package"}
    assert findings["numpy"].state == "ok"
    assert findings["no-such-package"].state == "missing"
    assert 'pip install "no-such-package!=1.0,>=0.5"' in findings["no-such-package"].fix


@pytest.mark.skipif(sys.platform != "linux", reason="looks for shared libraries of Linux")
def test_absent_libraries_name_their_debian_packages():
    there_and_not = {"libc.so.6": "libc6", "libno-such.so.1": "libno-such1"}
    finding = examine_libraries(there_and_not, "missing")
    assert finding.state == "missing"
    assert finding.fix == "apt-get install libno-such1"
    assert examine_libraries({"libc.so.6": "libc6"}, "missing").state == "ok"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
def test_without_a_screen_graphics_are_notes_only(no_screen):
    findings = list(doctor.examine_display())
    assert "missing" not in [finding.state for finding in findings]
    assert "command line works" in by_name(findings)["screen"].detail


def test_opengl_is_looked_at_where_there_is_a_screen():
    findings = by_name(doctor.examine_display())
    if "screen" in findings:
        pytest.skip("there is no screen")
    assert findings["Qt"].state == "ok"
    assert findings["OpenGL"].state == "ok"


def test_data_folder_that_cannot_be_made_is_missing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("POSESTAGE_DATA_DIR", str(tmp_path / "file" / "data"))
    finding = doctor.examine_data_folder()
    assert finding.state == "missing"
    assert "POSESTAGE_DATA_DIR" in finding.fix


def test_detector_weights_missing_and_altered(tmp_path, monkeypatch):
    monkeypatch.setenv("POSESTAGE_DATA_DIR", str(tmp_path))
    findings = [f for f in doctor.examine_weights() if f.name.startswith("detector")]
    assert findings
    assert {f.state for f in findings} == {"missing"}
    assert all("pose_core.detection.weights fetch" in f.fix for f in findings)


def test_crash_of_a_probe_is_an_answer():
    assert probe("import os; os.kill(os.getpid(), 11)").startswith("it crashed")
    assert probe("raise RuntimeError('no driver')") == "RuntimeError: no driver"
    assert probe("print('noise'); print('{\"a\": 1}')") == {"a": 1}


def test_text_report_marks_what_is_missing():
    text = as_text(
        [
            Finding("packages", "numpy", "ok", "2.4"),
            Finding("packages", "torch", "missing", "not installed", "pip install torch"),
            Finding("compute", "GPU", "note", "none"),
        ]
    )
    assert "! " in next(line for line in text.splitlines() if "torch" in line)
    assert "mend with: pip install torch" in text
    assert text.endswith("1 missing")


def test_json_report_says_whether_all_is_well():
    fine = Finding("packages", "numpy", "ok", "2.4")
    assert json.loads(as_json([fine]))["ok"] is True
    lacking = Finding("packages", "torch", "missing", "not installed", "pip install torch")
    content = json.loads(as_json([fine, lacking]))
    assert content["ok"] is False
    assert content["findings"][1]["fix"] == "pip install torch"


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("note", 0), ("missing", 1)])
def test_exit_code_tells_whether_something_needed_is_missing(monkeypatch, capsys, state, code):
    monkeypatch.setattr(doctor, "examine", lambda: iter([Finding("group", "name", state, "")]))
    assert main(["doctor"]) == code
    assert "name" in capsys.readouterr().out
