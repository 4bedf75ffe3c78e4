"""Models at run time: bundles checked and loaded, one small file for each port of the core."""
