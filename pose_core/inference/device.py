"""Choice of the device that a network runs on."""

from pose_core.errors import ConfigError


def choose_device(wish: str) -> str:
    """``cuda`` when wished for or found by ``auto``, else ``cpu``.

    Raises
    ------
    ConfigError
        If CUDA is asked for and there is none.
    """
    import torch

    if wish not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"No device is called {wish!r}.", "Choose auto, cpu or cuda.")
    has_cuda = torch.cuda.is_available()
    if wish == "cuda" and not has_cuda:
        raise ConfigError(
            "No CUDA device can be used.",
            "Run `posestage doctor` to see why, or choose --device cpu.",
        )
    return "cuda" if has_cuda and wish != "cpu" else "cpu"
