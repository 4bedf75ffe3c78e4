"""A running bench for people: its registers on a screen (`app.py`, needs textual) or as lines."""
