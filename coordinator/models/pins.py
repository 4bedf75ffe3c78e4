"""Which bundle this version came with."""

BUNDLED_SHA256 = "393a7e8458a9c8edbb5b2dbe051308473e581572a759485ac0b63c84aa12082e"
