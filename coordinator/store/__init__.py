"""Where the coordinator keeps what it must not forget: one contract, an engine per file."""
