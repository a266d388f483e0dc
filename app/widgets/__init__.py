"""Small widgets that know no document."""
