"""Adapters to sensors beside the piles."""
