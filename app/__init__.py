"""The PoseStage window: thin Qt around `pose_core`."""
