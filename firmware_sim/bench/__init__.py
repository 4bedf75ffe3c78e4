"""Hardware-in-loop control: acts on simulated piles as a hand, a car or a broken part would."""
