"""Training what ships in `rag/adapters`: pairs, embedder, reranker. Nothing in `rag` imports this package."""
