"""Generated from `proto/pilewise/v1`; change the sources and run `tox -e generate`."""
