"""A pile's physics and logic: standard library only, no input or output, no clock."""
