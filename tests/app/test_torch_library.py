"""PyTorch's library is in memory before it is imported, and the import still works."""

import subprocess
import sys

import pytest

CODE = """
from pathlib import Path
from app.workers.torch_library import map_torch_library
maps = lambda: "libtorch_cpu" in Path("/proc/self/maps").read_text()
before = maps()
map_torch_library()
after = maps()
import torch
print(before, after, float(torch.ones(3).sum()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory map of Linux")
def test_library_is_mapped_before_the_import():
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["False", "True", "3.0"]
