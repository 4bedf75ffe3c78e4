"""Agents, links, coordinator and stores in one process, on one seeded clock, with every fault."""
