"""Which bundle this version came with."""

BUNDLED_SHA256 = "6b4917eb24863d9d2f4278e2af41149fd552c31a3c63083e6474577fec0034a4"
