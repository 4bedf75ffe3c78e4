"""What a stored day would have been with other piles, more or fewer drivers, other decisions.

Replays a day of a coordinator's own store in the city's engine; begins at `command.py`.
"""
