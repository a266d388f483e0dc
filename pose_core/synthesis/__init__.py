"""Pictures of people made by computation, with their exact 2D and 3D truth."""
