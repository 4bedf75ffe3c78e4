"""Which bundle this version came with."""

BUNDLED_SHA256 = "8a7c364a4e1ba00465633ae4d5c3d9dff9027d8bb5748a755c8ae21144f000bd"
