"""Which bundle this version came with."""

BUNDLED_SHA256 = "adf7d731c30f83a0a4e638fc6dc8b0d84be14ce4588f8d32140a7e1ece405f65"
