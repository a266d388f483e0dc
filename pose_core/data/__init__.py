"""Motion capture, virtual cameras and detector noise: what the lifters learn from."""
