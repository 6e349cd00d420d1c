"""Measuring: retrieval, overlap, factuality, citations, abstention, with intervals."""
