"""Seconds from the start of a fresh process to the first picture of the window.

Also says what was imported until then; PyTorch must not be. Run in a real window, for example::

    QT_QPA_PLATFORM=xcb xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/startup.py
"""

import json
import statistics
import subprocess
import sys

NUM_RUNS = 5
SLOW_MODULES = ("torch", "scipy", "trimesh", "ai_edge_litert")

PROCESS = f"""
import json, sys, time
started = time.perf_counter()
from PySide6.QtCore import QEvent, QObject, QSettings, QTimer
from app import bootstrap
from app.main_window import MainWindow
from app.settings import Settings
imported = time.perf_counter()
application = bootstrap.make_application([])
settings = Settings(QSettings("", QSettings.Format.IniFormat))
bootstrap.apply_theme(settings)
window = MainWindow(settings)

class FirstPaint(QObject):
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint:
            window.removeEventFilter(self)
            QTimer.singleShot(0, finish)
        return False

def finish():
    slow = [name for name in {SLOW_MODULES!r} if name in sys.modules]
    times = dict(imports=imported - started, window=time.perf_counter() - imported)
    print(json.dumps(dict(times=times, slow=slow)))
    window.close()

first_paint = FirstPaint()
window.installEventFilter(first_paint)
window.show()
application.exec()
"""


def main() -> int:
    """Print the medians; 1 when something slow was imported."""
    runs = []
    for _ in range(NUM_RUNS):
        done = subprocess.run(
            [sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    for phase in ("imports", "window"):
        print(f"{phase:8} {statistics.median(run['times'][phase] for run in runs):6.2f} s")
    slow = sorted({name for run in runs for name in run["slow"]})
    print(f"imported before the first picture: {', '.join(slow) or 'nothing slow'}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
