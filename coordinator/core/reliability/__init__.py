"""How likely a pile is to fail: pile vectors, the knowledge map, evidence."""
