"""Who was promised what: the ledger of claims, charging areas, the one cost, moves."""
