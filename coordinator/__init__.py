"""The coordinator: runs in a district, or in the city."""
