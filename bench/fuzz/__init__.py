"""Inputs that nobody should send, over every door of the rooms: `python -m bench.fuzz --json`.

What each door is and how its inputs are made stands in the files beside this one; `README.md` one
folder up says how to run it.
"""

import os

# A connection that the other side ends is no news here.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
