"""Threads that keep long work off the window."""
