"""Errors of 3D poses, as the field reports them."""
