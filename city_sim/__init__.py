"""The laboratory: a seeded city with drivers, ways to send them to piles, and the figures."""
