"""Measurements against bare ceilings of the same run; they print JSON and are never asserted on."""
