"""The dictionary of networks: every network of the product, by name.

A line here is all that a new network needs to be configured, built, described and measured; its
trained weights are entries of the manifest (see `pose_core.models.registry`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pose_core.configuration import configured

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class NetworkKind:
    """One class of network.

    Parameters
    ----------
    title : str
        What people call it.
    paper : str
        Author, title, venue.
    module, network, config : str
        Where its class and its configuration class are; imported when asked for, because they
        bring in torch.
    """

    title: str
    paper: str
    module: str
    network: str
    config: str

    def make_config(self, values: Mapping[str, Any] | None = None) -> Any:
        """A configuration from plain values, the paper's for all that is not named.

        Raises
        ------
        ConfigError
            If a name is unknown or a value is not possible.
        """
        return configured(getattr(import_module(self.module), self.config), values or {})

    def build(self, values: Mapping[str, Any] | None = None) -> "nn.Module":
        """The network with random weights.

        Raises
        ------
        ConfigError
            See `make_config`.
        """
        network_class = getattr(import_module(self.module), self.network)
        return network_class(self.make_config(values))


_RPSM = 'Lin et al., "Recurrent 3D Pose Sequence Machines", CVPR 2017'
_POSE_MACHINE = 'Wang et al., "3D Human Pose Machines with Self-supervised Learning", TPAMI 2019'
_STRUCTURE = 'Dabral et al., "Learning 3D Human Pose from Structure and Motion", ECCV 2018'
_JOINT_AWARE = 'Gupta, "Back to the Future: Joint Aware Temporal Deep Learning", 2019'

NETWORKS = {
    "rpsm": NetworkKind(
        title="Recurrent 3D Pose Sequence Machine",
        paper=_RPSM,
        module="pose_core.models.rpsm",
        network="Rpsm",
        config="RpsmConfig",
    ),
    "pose_machine": NetworkKind(
        title="3D human pose machine with self-supervised correction",
        paper=_POSE_MACHINE,
        module="pose_core.models.pose_machine",
        network="PoseMachine",
        config="PoseMachineConfig",
    ),
    "sapnet": NetworkKind(
        title="Structure-Aware PoseNet (SAP-Net)",
        paper=_STRUCTURE,
        module="pose_core.models.sapnet",
        network="SapNet",
        config="SapNetConfig",
    ),
    "tpnet": NetworkKind(
        title="Temporal PoseNet (TP-Net)",
        paper=_STRUCTURE,
        module="pose_core.models.tpnet",
        network="TpNet",
        config="TpNetConfig",
    ),
    "lstm_baseline": NetworkKind(
        title="LSTM and Bi-LSTM baselines of TP-Net",
        paper=_STRUCTURE,
        module="pose_core.models.baselines",
        network="LstmBaseline",
        config="LstmBaselineConfig",
    ),
    "temporal_conv": NetworkKind(
        title="Joint-aware temporal network",
        paper=_JOINT_AWARE,
        module="pose_core.models.temporal_conv",
        network="TemporalConv",
        config="TemporalConvConfig",
    ),
}
