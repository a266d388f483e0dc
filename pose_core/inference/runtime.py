"""How a network runs fastest on this machine: tried out, checked, and said.

What is fastest depends on the processor more than on the network (docs/decisions/0007), so the
forms of `pose_core.inference.fast_networks` are timed where they will run. Only those are taken
whose poses agree with those of the plain network.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from pose_core.errors import ConfigError
from pose_core.inference.device import choose_device
from pose_core.inference.fast_networks import (
    channels_last,
    low_precision,
    picture_parts,
    winograd,
    with_parts,
)
from pose_core.inference.onnx_parts import OnnxPart

# A hundredth of what separates good methods from bad ones.
TOLERANCE_MM = 1.0
_NUM_TIMED = 5
EAGER = "eager"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How one form of a network did.

    Parameters
    ----------
    backend : str
    ms_per_frame : float
        Least time of a few calls with the example; NaN where it was not timed.
    difference_mm : float
        Mean distance of its joints, over all stages, from those of the plain network.
    rejected : str
        Why it cannot be used; empty if it can.
    """

    backend: str
    ms_per_frame: float = float("nan")
    difference_mm: float = float("nan")
    rejected: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Runner:
    """A network ready to run; call it as the network itself.

    Parameters
    ----------
    network : Module
        The plain network on its device.
    fast : Module
        The form that runs.
    backend : str
        Name of this form, one of `backends_of`.
    device : {"cpu", "cuda"}
    trials : tuple of Trial
        What was tried, the plain network first.
    """

    network: nn.Module
    fast: nn.Module
    backend: str
    device: str
    trials: tuple[Trial, ...]

    def __call__(self, *inputs: Any) -> Any:
        """The network's answer, without gradients."""
        with torch.inference_mode():
            return self.fast(*inputs)

    @property
    def trial(self) -> Trial:
        """How the form that runs did."""
        return next(t for t in self.trials if t.backend == self.backend)

    def summary(self) -> str:
        """One line for people: what runs, and why."""
        plain, chosen = self.trials[0], self.trial
        where = f"{self.backend} on {self.device}"
        if self.backend == EAGER:
            return f"{where}: {'the fastest' if len(self.trials) > 1 else 'nothing else to try'}"
        return (
            f"{where}: {chosen.ms_per_frame:.3g} ms a frame instead of {plain.ms_per_frame:.3g}, "
            f"poses differ by {chosen.difference_mm:.2g} mm"
        )


def backends_of(network: nn.Module, device: str) -> tuple[str, ...]:
    """Forms in which a network may run on a device, the plain one first."""
    has_convolutions = any(isinstance(m, nn.Conv2d) for m in network.modules())
    if not has_convolutions or _dtype(network) != torch.float32:
        return (EAGER,)
    if device == "cuda":
        return (EAGER, "channels_last", "float16", "bfloat16")
    return (EAGER, "channels_last", "winograd", "onnxruntime", "bfloat16")


def prepare(
    network: nn.Module,
    device: str = "auto",
    backend: str = "auto",
    num_frames: int = 1,
    tolerance_mm: float = TOLERANCE_MM,
) -> Runner:
    """Find the fastest form of a network whose answers can be trusted.

    Takes some ten calls of the network; hold on to the result.

    Parameters
    ----------
    network : Module
        One of `pose_core.models.networks`. Is moved to the device and set to evaluation mode.
    device : {"auto", "cpu", "cuda"}
    backend : str
        "auto", or one of `backends_of`.
    num_frames : int
        Frames that will be given at once; 1 is a live camera.
    tolerance_mm : float
        A form whose joints are further from those of the plain network, on average, on a random
        example, is not used.

    Returns
    -------
    Runner

    Raises
    ------
    ConfigError
        If the device or the wanted backend cannot be used, or the latter's answers differ.
    """
    device = choose_device(device)
    network = network.to(device).eval()
    names = backends_of(network, device)
    if names == (EAGER,) and backend in ("auto", EAGER):
        return Runner(
            network=network,
            fast=network,
            backend=EAGER,
            device=device,
            trials=(Trial(backend=EAGER),),
        )
    if backend != "auto" and backend not in names:
        raise ConfigError(
            f"This network cannot run as {backend!r} on {device}.",
            f"Choose of: auto, {', '.join(names)}.",
        )
    generator = torch.Generator().manual_seed(0)
    example_inputs: Any = network.example_inputs
    inputs = tuple(x.to(device) for x in example_inputs(1, num_frames, generator))
    if backend == "auto":
        wanted = [name for name in names if name != "bfloat16" or has_bfloat16(device)]
    else:
        wanted = [backend]
    forms, trials = _try_out(wanted, network, inputs, tolerance_mm)
    chosen = min((t for t in trials if t.backend in forms), key=lambda t: t.ms_per_frame).backend
    if backend != "auto":
        if backend not in forms:
            raise ConfigError(f"{backend} cannot be used here: {trials[-1].rejected}")
        chosen = backend
    return Runner(
        network=network, fast=forms[chosen], backend=chosen, device=device, trials=tuple(trials)
    )


@torch.no_grad()
def _try_out(
    names: list[str], network: nn.Module, inputs: tuple[Tensor, ...], tolerance_mm: float
) -> tuple[dict[str, nn.Module], list[Trial]]:
    """Make, check and time each form; the forms that can be used, and all trials."""
    expected = stages_of(network(*inputs))
    num_frames = expected.shape[1] * expected.shape[2]
    forms = {EAGER: network}
    trials = [Trial(backend=EAGER, difference_mm=0.0)]
    for name in names:
        if name == EAGER:
            continue
        try:
            form = _make(name, network, inputs)
            difference_mm = distance_mm(stages_of(form(*inputs)), expected)
        except Exception as error:  # noqa: BLE001 - whatever it is, the plain network remains
            trials.append(Trial(backend=name, rejected=str(error)))
            continue
        trial = Trial(backend=name, difference_mm=difference_mm)
        # Not a number, from an overflow, is not within the tolerance either.
        if difference_mm <= tolerance_mm:
            forms[name] = form
        else:
            trial = replace(trial, rejected=f"Its poses differ by {difference_mm:.3g} mm.")
        trials.append(trial)
    least_s = least_times_s({n: lambda form=form: form(*inputs) for n, form in forms.items()})
    timed = {name: 1000 * seconds / num_frames for name, seconds in least_s.items()}
    return forms, [replace(t, ms_per_frame=timed.get(t.backend, t.ms_per_frame)) for t in trials]


def _make(name: str, network: nn.Module, inputs: tuple[Tensor, ...]) -> nn.Module:
    """The network in the form of that name."""
    if name == "channels_last":
        return channels_last(network)
    if name == "winograd":
        return winograd(network)
    if name == "onnxruntime":
        pictures = picture_parts(network, inputs)
        if not pictures:
            raise ConfigError("No part of this network takes pictures alone.")
        parts: dict[str, nn.Module] = {
            n: OnnxPart(network.get_submodule(n), x) for n, x in pictures.items()
        }
        return with_parts(network, parts)
    return low_precision(network, getattr(torch, name))


def has_bfloat16(device: str) -> bool:
    """Whether the device computes with bfloat16, rather than imitating it slowly."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def stages_of(output: Any) -> Tensor:
    """Poses (S, B, T, J, 3) of all stages in what a network gives."""
    return output if isinstance(output, Tensor) else output.stages


def distance_mm(stages: Tensor, expected: Tensor) -> float:
    """Mean distance of joints (..., 3), metres, from those expected, millimetres."""
    return 1000 * float((stages.double() - expected.double()).norm(dim=-1).mean())


def least_times_s(
    calls: Mapping[str, Callable[[], object]], repetitions: int = _NUM_TIMED
) -> dict[str, float]:
    """Least seconds of each call, taken in turns: other load on the machine hits all alike."""
    least = dict.fromkeys(calls, float("inf"))
    for _ in range(repetitions):
        for name, call in calls.items():
            least[name] = min(least[name], seconds_of(call))
    return least


def seconds_of(call: Callable[[], object]) -> float:
    """Seconds until a call is done, on the GPU too."""
    _synchronize()
    start = time.perf_counter()
    call()
    _synchronize()
    return time.perf_counter() - start


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _dtype(network: nn.Module) -> torch.dtype:
    return next(network.parameters()).dtype
