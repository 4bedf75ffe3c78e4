"""Which bundle this version came with."""

BUNDLED_SHA256 = "5ed53d3537a2e9efe3954f49713785b5b8301d5b5a759609da52d6be52d60c9e"
