"""Register maps as the datasheets give them; written here from the facts, shared with nobody."""
