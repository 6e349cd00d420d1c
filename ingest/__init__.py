"""Bytes to documents to chunks."""
