"""Scenes by name for comparisons: `named.scene` gives one; what one is: `city_sim.scenarios`."""
