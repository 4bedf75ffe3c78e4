"""The paper's own simulation (paper 3), drawn again from seeds, with the product beside it.

Cars that drive, wait and charge over a day are in `city_sim/engine.py`; here nobody moves: every
car is given one pile, and the choices of all cars are judged together.
"""
