"""The version of the product, and of all its rooms."""

__version__ = "0.1.0"
