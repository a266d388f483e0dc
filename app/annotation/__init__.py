"""Keypoints edited by hand on the video."""
