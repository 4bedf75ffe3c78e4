"""The agent on a pile gateway: reads piles, spools every reading to disk, reports over gRPC."""
