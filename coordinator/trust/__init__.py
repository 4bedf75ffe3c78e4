"""Keys and certificates of a district: files on disk, and the authority that signs."""
