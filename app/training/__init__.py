"""The training window: runs, their curves, and what becomes of them."""
