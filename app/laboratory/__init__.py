"""The laboratory: panels that show how the networks think."""
