"""What the networks do with a pose: stages, losses around it, sensitivity, anatomy."""
