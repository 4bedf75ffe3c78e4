"""Which bundle this version came with."""

BUNDLED_SHA256 = "2353b85271a4f0d76a6adb5d577ed7c0684c3042363aa1966d5d4ab74f440d55"
