"""The city: asks districts for candidates, sorts them, claims at the owner, passes words on."""
