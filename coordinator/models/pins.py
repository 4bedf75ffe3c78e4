"""Which bundle this version came with."""

BUNDLED_SHA256 = "b081a50cccd6eae2dcbd222744b2d8fb584261404784bc033e0d762a2bb2c76d"
