"""Which bundle this version came with."""

BUNDLED_SHA256 = "92a309f524de94e70663314802dc93a5919dec5f5e6d6a4df2407bc60b77ea21"
