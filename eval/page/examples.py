"""One example as HTML: question, answer with its claims by verdict, passages, references, scores. All text escaped."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from html import escape
from typing import Any

from eval.page.draw import finite
from eval.page.overlay import Layer, claim_layers, claim_notes, human_layers, overlay
from eval.page.tables import definitions, number, pairs
from eval.page.words import Text, both, metric, named

Row = Mapping[str, Any]

UNCITED = 300
"""Characters shown of a passage that no sentence cites."""

SNIPPET = 200
"""Characters shown of a passage that was retrieved."""

FAILED = Text("failed", "出错")
DECLINED = Text("declined", "拒答")


def example_html(row: Row, anchor: str, main: str, varying: Container[str] = ()) -> str:
    """Return an example as one <details>.

    Args:
        row: a line of per_example.jsonl, of any kind.
        anchor: id of the element; passages are `anchor`-RANK.
        main: metric shown while it is closed.
        varying: which of "language" and "domain" are shown then.
    """
    scores = row.get("scores") or {}
    title = row.get("question") or row.get("claim") or row.get("response") or row.get("id", "")
    head = (
        f'<span class="q">{escape(_cut(str(title), 400))}</span><span class="tags">{_tags(row, varying)}</span>'
        f'<span class="score">{number(scores.get(main)) if main else ""}</span>'
    )
    body = f'<div class="body">{_body(row, anchor)}</div>'
    return f'<details class="ex" id="{anchor}"><summary>{head}</summary>{body}</details>'


def _body(row: Row, anchor: str) -> str:
    if isinstance(row.get("a"), Mapping) and isinstance(row.get("b"), Mapping):
        main = "".join(_side(name, row[key], f"{anchor}{key}") for key, name in _SIDES)
        return f'<div class="sides">{main}</div>{_context(row["a"])}{_references(row)}{_foot(row)}'
    if "context" in row or "response" in row:
        return _judged(row)
    if "retrieved" in row:
        return f"{_error(row)}{_retrieved(row)}{_foot(row)}"
    left = f"{_error(row)}{_answer(row, anchor)}{_references(row)}{_foot(row)}"
    return f'<div class="sides"><div class="side">{left}</div><div class="side">{_passages(row, anchor)}</div></div>'


_SIDES = (("a", "A"), ("b", "B"))


def _side(name: str, row: Row, anchor: str) -> str:
    """One run's part of an example that two runs are compared on; of passages, those it cites."""
    if "retrieved" in row:
        said = _retrieved(row)
    elif "prediction" in row or "response" not in row:
        cited = {mark.get("rank") for mark in row.get("citations") or () if isinstance(mark, Mapping)}
        passages = [
            item for item in row.get("passages") or () if isinstance(item, Mapping) and item.get("rank") in cited
        ]
        said = _answer(row, anchor) + _passages({**row, "passages": passages}, anchor)
    else:
        said = _response(row)
    return f'<div class="side"><h3>{name}</h3>{_error(row)}{said}</div>'


def _tag(words: Text | str, css: str = "") -> str:
    return f'<span class="tag {css}">{both(words)}</span>'


def _tags(row: Row, varying: Container[str]) -> str:
    made = [_tag(FAILED, "bad")] if row.get("error") else []
    if row.get("abstained"):
        made.append(_tag(DECLINED))
    if row.get("answerable") is False:
        made.append(_tag(Text("no answer exists", "无答案")))
    if row.get("seen_in_training"):
        made.append(_tag(Text("seen in training", "训练时见过"), "bad"))
    labels = [str(claim.get("label")) for claim in row.get("claims") or () if isinstance(claim, Mapping)]
    for label, sign in (("contradicted", "✗"), ("not_enough_info", "?")):
        if count := labels.count(label):
            made.append(f'<span class="tag sign {label}">{sign} {count} {both(named(label))}</span>')
    if row.get("label") is not None:
        made.append(_tag(_people_say(row["label"])))
        if row.get("predicted") is not None and row["predicted"] != row["label"]:
            made.append(_tag(Text("judged wrongly", "判断有误"), "bad"))
    made += [_tag(named(row[key])) for key in ("language", "domain") if row.get(key) and key in varying]
    return "".join(made)


def _people_say(label: object) -> Text:
    name = named(label)
    en, zh = (name, name) if isinstance(name, str) else name
    return Text(f"people: {en}", f"人工：{zh}")


def _block(title: Text | str, html: str, css: str = "") -> str:
    return f'<section class="part {css}"><h4>{both(title)}</h4>{html}</section>' if html else ""


def _error(row: Row) -> str:
    return f'<p class="error" role="note">✗ {escape(str(row["error"]))}</p>' if row.get("error") else ""


def _answer(row: Row, anchor: str) -> str:
    text = str(row.get("prediction") or "")
    if not text:
        why = escape(str(row.get("reason") or ""))
        nothing = DECLINED if row.get("abstained") else Text("no answer", "没有回答")
        said = f'<p class="refusal"><b>{both(nothing)}</b> {why}</p>'
    else:
        claims, citations = row.get("claims"), row.get("citations")
        said = f'<p class="text">{overlay(text, claim_layers(claims), claim_notes(claims, citations, anchor))}</p>'
    confidence = finite(row.get("confidence"))
    sure = (
        f'<p class="soft">{both(Text("confidence", "置信度"))} {confidence:.2f}</p>' if confidence is not None else ""
    )
    return _block(Text("answer", "回答"), said + sure, "answer")


def _references(row: Row) -> str:
    references = [str(item) for item in row.get("references") or ()]
    if not references:
        if row.get("answerable") is not False:
            return ""
        nothing = Text("The passages hold no answer; declining is right.", "所给段落中没有答案，拒答才对。")
        return _block(Text("reference", "参考答案"), f'<p class="soft">{both(nothing)}</p>')
    listed = "".join(f'<p class="text reference">{escape(item)}</p>' for item in references)
    return _block(Text("reference", "参考答案"), listed)


def _passages(row: Row, anchor: str) -> str:
    cited = {mark.get("rank") for mark in row.get("citations") or () if isinstance(mark, Mapping)}
    passages = [item for item in row.get("passages") or () if isinstance(item, Mapping)]
    if not passages:
        names = dict.fromkeys(f"[{m.get('rank')}] {m.get('source', '')}" for m in row.get("citations") or ())
        listed = "".join(f"<li>{escape(name)}</li>" for name in names)
        return _block(Text("cited sources", "引用来源"), f'<ul class="sources">{listed}</ul>' if listed else "")
    made = []
    for passage in sorted(passages, key=lambda item: item.get("rank") not in cited):
        rank, text = passage.get("rank", ""), str(passage.get("text") or "")
        used = rank in cited
        name = passage.get("title") or passage.get("source") or ""
        mark = f'<span class="tag good">{both(Text("cited", "被引用"))}</span>' if used else ""
        head = f'<span class="cite">{escape(str(rank))}</span> <b>{escape(str(name))}</b> {mark}'
        shown = escape(text if used else _cut(text, UNCITED))
        css = "passage used" if used else "passage"
        made.append(
            f'<div class="{css}" id="{anchor}-{escape(str(rank))}"><p>{head}</p><p class="text">{shown}</p></div>'
        )
    return _block(Text("passages it read", "所读段落"), "".join(made))


def _judged(row: Row) -> str:
    """A response under judgment, beside the context."""
    left = f'<div class="side">{_error(row)}{_response(row)}</div>'
    return f'<div class="sides">{left}<div class="side">{_context(row)}</div></div>'


def _context(row: Row) -> str:
    context = escape(str(row.get("context") or row.get("evidence") or ""))
    held = f'<p class="text tall" tabindex="0">{context}</p>' if context else ""
    return _block(Text("context it must follow", "所依据的材料"), held)


def _response(row: Row) -> str:
    """Human marks and our claims over one text, what both say of the whole, and the scores."""
    text = str(row.get("response") or row.get("claim") or "")
    layers: list[Layer] = [*human_layers(row.get("spans")), *claim_layers(row.get("claims"))]
    said = f'<p class="text">{overlay(text, layers, claim_notes(row.get("claims"), (), ""))}</p>'
    if row.get("spans"):
        key = Text("shaded: marked by people · underlined: our verdict", "底色：人工标注 · 下划线：本系统的判断")
        said += f'<p class="soft">{both(key)}</p>'
    verdict = [
        (Text("people say", "人工标注"), both(named(row["label"])) if row.get("label") is not None else ""),
        (Text("the verifier says", "核对者判断"), both(named(row["predicted"])) if row.get("predicted") else ""),
        (Text("score that it is faithful", "忠实度得分"), number(row.get("score")) if "score" in row else ""),
    ]
    told = definitions((name, html) for name, html in verdict if html)
    return _block(Text("response", "回答"), said, "answer") + told + _foot(row)


def _retrieved(row: Row) -> str:
    relevant = row.get("relevant") or {}
    relevant = relevant if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1)
    read = {str(item.get("source")): item for item in row.get("passages") or () if isinstance(item, Mapping)}
    items, found = [], set()
    for rank, item in enumerate(row.get("retrieved") or (), 1):
        key = str(item)
        found.add(key)
        known = read.get(key) or {}
        items.append(_hit(rank, key, str(known.get("title") or ""), str(known.get("text") or ""), relevant.get(key)))
    listed = (
        f'<ol class="hits">{"".join(items)}</ol>' if items else f'<p class="soft">{both(Text("nothing", "无"))}</p>'
    )
    missed = {key: grade for key, grade in relevant.items() if key not in found}
    shown = _block(Text("found, best first", "检索结果（从优到劣）"), listed)
    lost = "".join(f"<li>{escape(str(key))} {_grade(grade)}</li>" for key, grade in missed.items())
    return shown + _block(
        Text("relevant, not among these", "相关但未列入"), f'<ul class="sources">{lost}</ul>' if lost else ""
    )


def _grade(grade: object) -> str:
    return f'<span class="soft">{both(Text("grade", "等级"))} {escape(str(grade))}</span>'


def _hit(rank: int, key: str, title: str, text: str, grade: object) -> str:
    mark = f'<span class="tag good">✓ {both(Text("relevant", "相关"))}</span> {_grade(grade)}' if grade else ""
    name = f"<b>{escape(title)}</b> " if title else ""
    shown = f'<span class="text">{escape(_cut(text, SNIPPET))}</span>' if text else ""
    head = f'<span class="cite">{rank}</span> {name}<code>{escape(key)}</code> {mark}'
    return f'<li class="{"used" if grade else ""}">{head}{shown}</li>'


def _foot(row: Row) -> str:
    """Scores, time, tokens and id."""
    scores = {name: value for name, value in (row.get("scores") or {}).items() if finite(value) is not None}
    chips = "".join(
        f'<span class="chip">{both(metric(name).name)} <b>{number(value)}</b></span>' for name, value in scores.items()
    )
    facts: list[tuple[Text | str, str]] = [("id", f"<code>{escape(str(row.get('id', '')))}</code>")]
    if finite(row.get("seconds")) is not None:
        facts.append((Text("time", "用时"), f"{float(row['seconds']):.2f} s"))
    tokens = row.get("tokens")
    if tokens:
        facts.append((Text("tokens", "词元"), both(_tokens(tokens))))
    for key, name in (("model", Text("answered by", "作答者")), ("verifier", Text("checked by", "核对者"))):
        if row.get(key):
            facts.append((name, escape(str(row[key]))))
    return _block(Text("scores", "得分"), f'<p class="chips">{chips}</p>' if chips else "") + definitions(facts)


def _tokens(tokens: object) -> Text | str:
    if not isinstance(tokens, Mapping):
        return str(tokens)
    named_zh = {"answer": "回答", "passages": "段落"}
    chinese = {named_zh.get(str(key), str(key)): value for key, value in tokens.items()}
    return Text(pairs(tokens), pairs(chinese).replace(", ", "，"))


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[: size - 1].rstrip()}…"


def facets_of(row: Row) -> dict[str, Sequence[str]]:
    """Return what an example can be filtered by: {facet: values}."""
    made: dict[str, Sequence[str]] = {}
    for key in ("language", "domain", "label", "predicted"):
        if row.get(key):
            made[key] = [str(row[key])]
    if isinstance(row.get("answerable"), bool):
        made["answerable"] = ["yes" if row["answerable"] else "no"]
    if "prediction" in row:
        made["outcome"] = ["failed" if row.get("error") else "declined" if row.get("abstained") else "answered"]
    elif row.get("error"):
        made["outcome"] = ["failed"]
    if row.get("claims"):
        made["verdict"] = sorted({str(claim.get("label")) for claim in row["claims"] if isinstance(claim, Mapping)})
    if row.get("label") is not None and row.get("predicted") is not None:
        made["judged"] = ["rightly" if row["label"] == row["predicted"] else "wrongly"]
    if "retrieved" in row:
        made["rank"] = [first_rank(row)]
    return made


def first_rank(row: Row) -> str:
    """Return "first", "later" or "missed": where the first relevant passage stands among those kept."""
    relevant = row.get("relevant") or {}
    for rank, item in enumerate(row.get("retrieved") or (), 1):
        if str(item) in relevant:
            return "first" if rank == 1 else "later"
    return "missed"


def search_text(row: Row) -> str:
    """Return what the search box looks through: id, question, answer, references, error; lower case."""
    sides = [row.get(key) or {} for key in ("a", "b")]
    parts = [
        row.get("id"),
        row.get("question"),
        row.get("prediction"),
        row.get("response"),
        row.get("claim"),
        row.get("error"),
    ]
    parts += [side.get("prediction") for side in sides if isinstance(side, Mapping)]
    parts += list(row.get("references") or ())
    return _cut(" \n".join(str(part) for part in parts if part), 4000).lower()
