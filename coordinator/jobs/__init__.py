"""What runs by the clock beside the requests: one loop a file, clock injected."""
