"""What the coordinator does, step by step; clocks and stores are injected."""
