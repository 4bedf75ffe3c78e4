"""Ways to send cars to piles, each a thin adapter from the engine's state to a choice.

`nearest` knows nothing, `nearest-free` sees what is free now, `queue-eta` counts who stands there,
`greedy-hold` also counts who is on the way, `greedy-exact` knows how long each charges. The paper's
four are in `paper.py`, the product is in `city_sim/product.py`, all names are in `named.py`.
"""

from city_sim.policies.blind import Blind
from city_sim.policies.free_now import Nearest, NearestFree, Random
from city_sim.policies.paper import PaperMethod
from city_sim.policies.queues import GreedyExact, GreedyHold, QueueEta

__all__ = [
    "Blind",
    "GreedyExact",
    "GreedyHold",
    "Nearest",
    "NearestFree",
    "PaperMethod",
    "QueueEta",
    "Random",
]
