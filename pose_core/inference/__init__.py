"""Video to people to 2D to 3D: the pipeline behind the command line and the application."""
