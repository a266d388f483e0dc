"""Protocols of the papers: which sequences, cameras and frames are tested, and what is measured.

"Protocol #1" means different things in different papers. Those of RPSM and of the self-supervised
pose machine (`h36m-1` to `h36m-3`, "3D pose error", averaged over actions) differ from those of
SAP-Net (every fifth frame, MPJPE and PA-MPJPE) and of the joint-aware network (every frame,
MPJPE, PA-MPJPE and N-MPJPE as its Protocols 1 to 3).

A model sees every frame of a sequence, also where the protocol counts one in 25: a network that
looks at several frames is told the true frame rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pose_core.data import human36m, humaneva, mpi_inf_3dhp, paper_results
from pose_core.data.samples import SequenceEntry
from pose_core.errors import ConfigError, DataError
from pose_core.metrics.report import Reference

# "The frontal camera (cam-3)", counted from 0: the fourth of the data set.
H36M_FRONTAL_CAMERA = "60457274"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One way of testing on one data set.

    Parameters
    ----------
    name, title : str
        For the command line, and for people.
    dataset : {"human36m", "humaneva", "mpi_inf_3dhp"}
    train_subjects, test_subjects : tuple of str
    step : int
        Every how many frames, counted from the first, one is measured.
    cameras : tuple of str
        Empty for all.
    trials : tuple of int
        Empty for all.
    columns : Mapping of str to str
        Actions in the order of the paper's table, with the heads of their columns.
    metrics : tuple of str
        What the paper reports, each in a table of its own.
    references : tuple of Reference
        The papers' own numbers.
    """

    name: str
    title: str
    dataset: str
    train_subjects: tuple[str, ...]
    test_subjects: tuple[str, ...]
    step: int = 1
    cameras: tuple[str, ...] = ()
    trials: tuple[int, ...] = ()
    columns: Mapping[str, str]
    metrics: tuple[str, ...]
    references: tuple[Reference, ...] = ()

    def tests(self, entry: SequenceEntry) -> bool:
        """Whether a sequence is tested."""
        return (
            self._is_seen(entry)
            and entry.subject in self.test_subjects
            and (not self.cameras or entry.camera in self.cameras)
            and (not self.trials or entry.trial in self.trials)
        )

    def trains(self, entry: SequenceEntry) -> bool:
        """Whether a sequence is for training: all views, trials and actions of its subjects."""
        return self._is_seen(entry) and entry.subject in self.train_subjects

    def column(self, entry: SequenceEntry) -> str:
        """The column of the table that a sequence belongs to."""
        if self.dataset == "humaneva":
            return f"{entry.action} {entry.subject.split('/')[-1]}"
        return entry.action

    def frames(self, num_frames: int) -> np.ndarray:
        """Indices of the frames that are measured."""
        return np.arange(0, num_frames, self.step)

    def _is_seen(self, entry: SequenceEntry) -> bool:
        # The activity of MPI-INF-3DHP changes within a sequence.
        return self.dataset == "mpi_inf_3dhp" or self.column(entry) in self.columns


_FIVE = ("S1", "S5", "S6", "S7", "S8")
_ALL = (
    # 50 frames/s to 2 (RPSM, Sec. 5.1; pose machine, Sec. 4.1): about 91 frames a sequence.
    Protocol(
        name="h36m-1",
        title="Human3.6M, Protocol #1 of RPSM and pose machine: S9 and S11, 2 frames/s",
        dataset="human36m",
        train_subjects=_FIVE,
        test_subjects=("S9", "S11"),
        step=25,
        columns=paper_results.H36M_ACTIONS,
        metrics=("MPJPE",),
        references=paper_results.H36M_1,
    ),
    Protocol(
        name="h36m-2",
        title="Human3.6M, Protocol #2 of the pose machine: frontal view, trial 1, every 5th frame",
        dataset="human36m",
        train_subjects=_FIVE,
        test_subjects=("S9", "S11"),
        step=5,
        cameras=(H36M_FRONTAL_CAMERA,),
        trials=(1,),
        columns=paper_results.H36M_ACTIONS,
        metrics=("MPJPE",),
        references=paper_results.H36M_2,
    ),
    Protocol(
        name="h36m-3",
        title="Human3.6M, Protocol #3 of the pose machine: S11, every 64th frame",
        dataset="human36m",
        train_subjects=(*_FIVE, "S9"),
        test_subjects=("S11",),
        step=64,
        columns=paper_results.H36M_ACTIONS,
        metrics=("MPJPE",),
        references=paper_results.H36M_3,
    ),
    Protocol(
        name="h36m-sapnet",
        title="Human3.6M, Protocols 1 and 2 of SAP-Net and TP-Net: S9 and S11, every 5th frame",
        dataset="human36m",
        train_subjects=_FIVE,
        test_subjects=("S9", "S11"),
        step=5,
        columns=paper_results.H36M_ACTIONS,
        metrics=("MPJPE", "PA-MPJPE"),
        references=paper_results.H36M_SAPNET,
    ),
    Protocol(
        name="h36m-joint-aware",
        title="Human3.6M, Protocols 1 to 3 of the joint-aware network: S9 and S11, every frame",
        dataset="human36m",
        train_subjects=_FIVE,
        test_subjects=("S9", "S11"),
        columns=paper_results.H36M_ACTIONS,
        metrics=("MPJPE", "PA-MPJPE", "N-MPJPE", "MPJVE", "MPJAE"),
        references=paper_results.H36M_JOINT_AWARE,
    ),
    Protocol(
        name="humaneva",
        title="HumanEva-I, validation sequences of S1 to S3, every frame, 14 joints",
        dataset="humaneva",
        train_subjects=("Train/S1", "Train/S2", "Train/S3"),
        test_subjects=("Validate/S1", "Validate/S2", "Validate/S3"),
        columns=paper_results.HUMANEVA_COLUMNS,
        metrics=("MPJPE",),
        references=paper_results.HUMANEVA,
    ),
    Protocol(
        name="mpi-inf-3dhp",
        title="MPI-INF-3DHP, test set, every valid frame",
        dataset="mpi_inf_3dhp",
        train_subjects=mpi_inf_3dhp.TRAIN_SUBJECTS,
        test_subjects=mpi_inf_3dhp.TEST_SEQUENCES,
        columns={
            "Standing/Walking": "Stand",
            "Exercising": "Exerc.",
            "Sitting": "Sit",
            "Reaching/Crouching": "Reach",
            "On the floor": "Floor",
            "Sports": "Sports",
            "Miscellaneous": "Misc.",
        },
        metrics=("PCK", "AUC", "MPJPE"),
        references=paper_results.MPI_INF_3DHP,
    ),
)
PROTOCOLS = {protocol.name: protocol for protocol in _ALL}


def get_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in PROTOCOLS:
        raise ConfigError(f"No protocol is called {name!r}.", f"Choose of: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def sequences_of(protocol: Protocol, folder: Path, keypoints: str = "gt") -> list[SequenceEntry]:
    """The sequences of a folder that a protocol tests.

    Raises
    ------
    DataError
        If the folder is not the data set, or has nothing of what is tested.
    """
    if protocol.dataset == "human36m":
        entries = human36m.list_sequences(folder, keypoints)
    elif protocol.dataset == "humaneva":
        entries = humaneva.list_sequences(folder, keypoints)
    elif keypoints != "gt":
        raise ConfigError(f"MPI-INF-3DHP has no detected keypoints {keypoints!r}, only true ones.")
    else:
        entries = mpi_inf_3dhp.list_test_sequences(folder)
    tested = [entry for entry in entries if protocol.tests(entry)]
    if not tested:
        raise DataError(
            f"{folder} has nothing that {protocol.name} tests.",
            f"It tests {', '.join(protocol.test_subjects)}; the folder has "
            f"{', '.join(sorted({entry.subject for entry in entries}))}.",
        )
    return tested
