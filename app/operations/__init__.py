"""What the user can do, one verb a file."""
