"""The science of PoseStage: monocular 3D human pose, without any user interface."""

__version__ = "0.1.0"
