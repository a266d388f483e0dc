"""Frames to people with 2D keypoints. A detector is one file that implements `base.Detector`."""
