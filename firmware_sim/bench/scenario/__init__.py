"""Scenario files: `load` reads one, `run` plays it in virtual time and gives a `Report`."""

from firmware_sim.bench.scenario.engine import run
from firmware_sim.bench.scenario.reading import Scenario, load, read
from firmware_sim.bench.scenario.report import Check, Report

__all__ = ["Check", "Report", "Scenario", "load", "read", "run"]
