"""Bridges to other frameworks; nothing in rag imports them."""
