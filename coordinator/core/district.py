"""What the district believes now, as columns: one numpy row an EVSE, one a pile, one a station.

Only the event loop touches it; workers get copies. It learns from `apply` (reports) and from the
ledger (claims). It never decides anything: see `recommend/pipeline.py`.
"""
