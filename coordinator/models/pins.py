"""Which bundle this version came with."""

BUNDLED_SHA256 = "3c94a4168863b1f6447ef48f4538ead7cc176cd1cf64ed893178bcfe25ac2898"
