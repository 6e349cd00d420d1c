"""A search explained: as JSON, a contract (docs/cli.md), and as words on a terminal, in English and Chinese."""

from __future__ import annotations

from typing import Any, Final

from app.render import place
from rag.explain import Candidate, Explained, Hit
from rag.language import Language

_WORDS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "understood": "understood",
        "language": "language",
        "expansions": "also searched",
        "companies": "companies",
        "periods": "periods",
        "boosts": "favoured",
        "where": "filter",
        "found": "found",
        "counts": "{lexical:,} by words, {dense:,} by meaning, {boosted:,} favoured, of {chunks:,} chunks",
        "order": "order     words       meaning     = words + meaning + favour",
        "returned": "returned",
        "left": "not returned",
        "back": "superseded: set back",
        "reranked": "read again by {name}",
        "moved": "after fusion {rank}",
        "time": "time",
        "index": "index",
        "generation": "{kind}, generation {generation}",
        "nothing": "nothing found",
    },
    "zh": {
        "understood": "理解",
        "language": "语言",
        "expansions": "同时检索",
        "companies": "公司",
        "periods": "期间",
        "boosts": "优先",
        "where": "筛选",
        "found": "命中",
        "counts": "按词 {lexical:,} 条，按语义 {dense:,} 条，优先 {boosted:,} 条，共 {chunks:,} 个片段",
        "order": "名次     按词        按语义      = 词 + 语义 + 优先",
        "returned": "返回",
        "left": "未返回",
        "back": "已有新版本：后移",
        "reranked": "由 {name} 重排",
        "moved": "融合后第 {rank}",
        "time": "用时",
        "index": "索引",
        "generation": "{kind}，第 {generation} 代",
        "nothing": "没有找到",
    },
}


def explained_json(found: Explained) -> dict[str, Any]:
    """Return what `search --explain --json` prints under "explain"; passages are named by their chunk."""
    asked, understood = found.asked, found.understood
    return {
        "k": asked.k,
        "fetch_k": asked.fetch_k,
        "mode": asked.mode,
        "where": dict(asked.where),
        "reranker": asked.reranker or None,
        "understood": {
            "language": understood.language,
            "expansions": [{"words": words, "weight": weight} for words, weight in understood.expansions],
            "companies": list(understood.companies),
            "periods": [str(period) for period in understood.periods],
            "boosts": [{"where": dict(where), "share": share} for where, share in understood.boosts],
        },
        "candidates": [_candidate_json(candidate) for candidate in found.candidates],
        "counts": dict(found.counts),
        "timings": {step: round(seconds, 6) for step, seconds in found.timings.items()},
        "index": {"kind": found.kind, "generation": found.generation},
    }


def _candidate_json(candidate: Candidate) -> dict[str, Any]:
    def hit(given: Hit | None) -> dict[str, Any] | None:
        return {"rank": given.rank, "score": round(given.score, 6)} if given else None

    passage = candidate.passage
    return {
        "chunk_id": passage.chunk.id,
        "source": passage.source,
        "page": passage.chunk.page,
        "lexical": hit(candidate.lexical),
        "dense": hit(candidate.dense),
        "fused": hit(candidate.fused),
        "shares": {
            "lexical": round(candidate.by_words, 6),
            "dense": round(candidate.by_meaning, 6),
            "boost": round(candidate.boost, 6),
        },
        "final": hit(candidate.final),
        "moved": candidate.moved,
        "set_back": candidate.set_back,
    }


def explained_words(found: Explained, language: Language = "en", most: int = 20) -> str:
    """Return an explained search as a person reads it; at most `most` candidates that were not returned."""
    words, understood, asked = _WORDS[language], found.understood, found.asked
    facts = {
        "language": understood.language,
        "expansions": ", ".join(f"{text} ×{weight:g}" for text, weight in understood.expansions),
        "companies": ", ".join(understood.companies),
        "periods": ", ".join(map(str, understood.periods)),
        "boosts": "; ".join(f"{_filter(where)} +{share:g}" for where, share in understood.boosts),
        "where": _filter(asked.where),
        "found": words["counts"].format_map(found.counts),
        "index": words["generation"].format(kind=found.kind, generation=found.generation),
        "time": "  ".join(f"{step} {seconds * 1000:.1f} ms" for step, seconds in found.timings.items()),
    }
    lines = [f"{words[name]}: {told}" for name, told in facts.items() if told]
    if asked.reranker:
        lines.append(words["reranked"].format(name=asked.reranker))
    back = [candidate for candidate in found.candidates if candidate.final]
    left = [candidate for candidate in found.candidates if not candidate.final][:most]
    for title, candidates in ((words["returned"], back), (words["left"], left)):
        if candidates:
            lines += ["", f"{title}   {words['order']}", *(_line(candidate, words) for candidate in candidates)]
    return "\n".join(lines if found.candidates else [*lines, words["nothing"]])


def _filter(where: Any) -> str:
    return ", ".join(f"{key}={value}" for key, value in where.items())


def _line(candidate: Candidate, words: dict[str, str]) -> str:
    hits = (
        f"{hit.rank:>4} {hit.score:>6.2f}" if hit else "   –      –" for hit in (candidate.lexical, candidate.dense)
    )
    order = candidate.final or candidate.fused
    shares = f"{candidate.by_words:.2f} + {candidate.by_meaning:.2f} + {candidate.boost:.2f}"
    told = [words["moved"].format(rank=candidate.fused.rank)] if candidate.moved else []
    told += [words["back"]] if candidate.set_back else []
    note = f"  ({'; '.join(told)})" if told else ""
    return f"{order.rank:>4}  {'  '.join(hits)}  {order.score:.3f} = {shares}  {place(candidate.passage)}{note}"
