"""Threads that give way to the window."""

import os
import sys
import threading

# Nice values on top of that of the process.
OF_DECODER, OF_LONG_WORK = 5, 10
_HIGHEST = 19


def give_way(nice: int) -> None:
    """Lower the priority of the calling thread, and of those that it starts from now on.

    Where decoder, estimate and window share few processors, the window is then seldom kept
    waiting. On Linux alone: elsewhere a priority is that of a whole process.

    Parameters
    ----------
    nice : int
        Added to the present nice value.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(now + nice, _HIGHEST))
