"""The register view of simulated piles in the terminal; needs textual, loaded only here."""
