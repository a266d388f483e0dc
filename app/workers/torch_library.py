"""Loading of PyTorch's library without stopping the window."""

import ctypes
import importlib.util
import os
import sys
from pathlib import Path


def map_torch_library() -> None:
    """Bring PyTorch's largest library into memory while other threads go on.

    ``import torch`` loads some 400 MB of library in one call that holds Python's lock, which
    stops the window for half a second or more. The loader of the system called through ctypes
    lets go of the lock; the import that follows finds the library in memory. Only for threads
    other than the GUI thread. Does nothing where it cannot help (on Windows PyTorch is imported
    before Qt, and other builds may be laid out otherwise).
    """
    torch = importlib.util.find_spec("torch")
    if "torch" in sys.modules or torch is None or torch.origin is None or os.name != "posix":
        return
    suffix = "dylib" if sys.platform == "darwin" else "so"
    library = Path(torch.origin).parent / "lib" / f"libtorch_cpu.{suffix}"
    load = ctypes.CDLL(None).dlopen
    load.argtypes, load.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    load(os.fsencode(library), os.RTLD_NOW | os.RTLD_LOCAL)
