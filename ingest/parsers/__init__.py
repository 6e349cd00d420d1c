"""One file a format: bytes to Document."""
