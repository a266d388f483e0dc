"""The smallest task there is: a small network learns a linear map."""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.distributed import barrier

from pose_core.training.engine import Engine
from pose_core.training.processes import is_first_process
from pose_core.training.run_folder import RunFolder
from pose_core.training.schedule import Schedule, Stage

MAP = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, 3.0]])


class ToyData:
    """Points and where the map takes them."""

    def draw(self, num_samples, generator):
        x = torch.randn(num_samples, 3, generator=generator)
        return {"x": x, "y": x @ MAP.T}


class ToyTask:
    """Two linear layers and dropout, so that random numbers matter."""

    watched = "error"

    def __init__(self, dropout=0.1):
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(3, 8), nn.Dropout(dropout), nn.Linear(8, 2))
        self.data = ToyData()

    def loss_terms(self, network, batch):
        out = network(batch["x"])
        return {"error": (out - batch["y"]).square().mean(), "size": out.square().mean()}

    def validate(self, network, device):
        batch = self.data.draw(64, torch.Generator().manual_seed(99))
        out = network(batch["x"].to(device))
        return {"error": float((out - batch["y"].to(device)).square().mean())}


def schedule(**changes):
    values = {
        "stages": (
            Stage(name="last", steps=6, trained=("2.",), losses={"size": 0.0}),
            Stage(name="all", steps=8, losses={"size": 0.01}, learning_rate=1e-2),
        ),
        "batch": 8,
        "checkpoint_every": 3,
    }
    return Schedule(**(values | changes))


if __name__ == "__main__":  # one process of several, started by torchrun
    run = RunFolder(Path(sys.argv[1]))
    for record in Engine(ToyTask(dropout=0.0), schedule(parts=2), run).train():
        if record.step == 3 and is_first_process():
            (run.path / "stop").touch()  # the other process must not go on alone
    barrier()
    for _ in Engine(ToyTask(dropout=0.0), schedule(parts=2), run).train():
        pass
