"""The gRPC face: one servicer a file; codecs between the wire and the core's nouns."""
