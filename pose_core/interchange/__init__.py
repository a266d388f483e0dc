"""Results in the formats of other programs: one file per format, read and write side by side."""
