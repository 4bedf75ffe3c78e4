"""From a charging request to an ordered answer; start reading at `pipeline.py`."""
