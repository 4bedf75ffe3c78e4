"""Which bundle this version came with."""

BUNDLED_SHA256 = "ba0d8b0e81d4d900ab0e960b6f05973fa1d262205fb264935a092c490f51d6e3"
