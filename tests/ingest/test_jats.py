"""Articles and records of PubMed: sections, tables with captions and footnotes, metadata, retractions."""

from __future__ import annotations

import pytest

from ingest.chunk import chunk
from ingest.parsers import parse, read
from ingest.parsers.blocks import Broken, Parsed
from rag.errors import DocumentError

ARTICLE = """<?xml version="1.0"?><!DOCTYPE article PUBLIC "-//NLM//DTD JATS 1.2//EN" "JATS.dtd">
<article article-type="research-article" xmlns:xlink="http://www.w3.org/1999/xlink"><front>
<journal-meta><journal-title-group><journal-title>Journal of Invented Trials</journal-title></journal-title-group>
</journal-meta>
<article-meta><article-id pub-id-type="pmid">111</article-id><article-id pub-id-type="pmc">222</article-id>
<article-id pub-id-type="doi">10.1000/x</article-id>
<title-group><article-title>Metformin &amp; weight: a <italic>small</italic> trial</article-title></title-group>
<contrib-group><contrib contrib-type="author"><name><surname>Doe</surname><given-names>Jane</given-names></name>
</contrib></contrib-group>
<pub-date pub-type="collection"><year>2019</year></pub-date>
<pub-date pub-type="epub"><day>7</day><month>3</month><year>2020</year></pub-date>
<permissions><license xlink:href="https://creativecommons.org/licenses/by/4.0/"><license-p>CC BY</license-p>
</license></permissions>
RELATED<abstract>
<sec><title>Background</title><p>Weight matters.</p></sec>
<sec><title>Results</title><p>It fell by 2.1&nbsp;kg.</p></sec></abstract>
</article-meta></front><body><sec><label>1</label><title>Methods</title>
<p>Platelets above 100 &#215; 10<sup>9</sup>/L were needed<xref ref-type="bibr"><sup>12</sup></xref>.
<list><list-item><p>Adults only</p></list-item></list></p>
<sec><title>Dose</title><p>1000 mg a day <inline-formula><tex-math>\\frac{1}{2}</tex-math></inline-formula>.</p>
</sec></sec>
<sec><title>Results</title>
<table-wrap><label>Table 1</label><caption><p>Weight (kg) by arm</p></caption><table><thead><tr><th>Arm</th>
<th>Start</th><th>End</th></tr></thead>
<tbody><tr><td>Metformin</td><td>90.5</td><td>88.4<sup>a</sup></td></tr><tr><td>Placebo</td><td>91.0</td>
<td>90.9</td></tr></tbody></table>
<table-wrap-foot><fn><p><sup>a</sup> p &lt; 0.05</p></fn></table-wrap-foot></table-wrap>
<fig><label>Figure 1</label><caption><p>Weight over time.</p></caption></fig></sec></body>
<back><ack><title>Thanks</title><p>To all.</p></ack><ref-list><title>References</title><ref>
<mixed-citation>Secret 1999</mixed-citation></ref></ref-list></back></article>"""

CHINESE = """<article article-type="research-article"><front>
<journal-meta><journal-title-group><journal-title>虚构医学杂志</journal-title>
</journal-title-group></journal-meta><article-meta><title-group><article-title>二甲双胍与体重</article-title></title-group>
<abstract><p>目的：观察体重变化。结果：体重下降2.1千克。</p></abstract></article-meta></front>
<body><sec><title>方法</title><p>每日1000毫克。随访12周。</p></sec></body></article>"""

RECORDS = """<?xml version="1.0"?><PubmedArticleSet>
<PubmedArticle><MedlineCitation><PMID>31</PMID><Article><Journal><JournalIssue><PubDate><Year>2018</Year>
<Month>Nov</Month></PubDate></JournalIssue>
<Title>Invented Letters</Title></Journal><ArticleTitle>Aspirin after stroke.</ArticleTitle>
<ELocationID EIdType="doi">10.1000/a</ELocationID>
<Abstract><AbstractText Label="BACKGROUND">Stroke recurs.</AbstractText>
<AbstractText Label="RESULTS">Aspirin 100 mg helped.</AbstractText></Abstract>
<AuthorList><Author><LastName>Li</LastName><ForeName>Wei</ForeName></Author></AuthorList>
<PublicationTypeList><PublicationType>Randomized Controlled Trial</PublicationType></PublicationTypeList></Article>
</MedlineCitation></PubmedArticle>
<PubmedArticle><MedlineCitation><PMID>32</PMID><Article><ArticleTitle/></Article></MedlineCitation></PubmedArticle>
<PubmedArticle><MedlineCitation><PMID>33</PMID><Article><ArticleTitle>[Blood pressure.]</ArticleTitle>
<VernacularTitle>高血压的随访研究</VernacularTitle>
<PublicationTypeList><PublicationType>Retracted Publication</PublicationType></PublicationTypeList></Article>
<OtherAbstract Language="chi"><AbstractText>血压下降10毫米汞柱。</AbstractText></OtherAbstract></MedlineCitation>
</PubmedArticle>
</PubmedArticleSet>"""


def check(parsed: Parsed) -> list[str]:
    document = parsed.document
    for heading in parsed.headings:
        assert document.text[heading.start : heading.end] == heading.text
    chunks = chunk(document, max_tokens=60, headings=parsed.headings)
    assert chunks and all(document.text[c.start : c.end] == c.text for c in chunks)
    return document.text.splitlines()


def test_an_article() -> None:
    (parsed,) = read(ARTICLE.encode(), "PMC222.xml")
    assert isinstance(parsed, Parsed)
    assert check(parsed) == [
        "Metformin & weight: a small trial",
        "Abstract",
        "Background",
        "Weight matters.",
        "Results",
        "It fell by 2.1 kg.",
        "1 Methods",
        "Platelets above 100 × 10⁹/L were needed¹².",
        "Adults only",
        "Dose",
        "1000 mg a day .",
        "Results",
        "Table 1. Weight (kg) by arm | Metformin | Start: 90.5 | End: 88.4a",
        "Table 1. Weight (kg) by arm | Placebo | Start: 91.0 | End: 90.9",
        "a p < 0.05",
        "Figure 1. Weight over time.",
        "Thanks",
        "To all.",
    ]
    levels = [(h.text, h.level) for h in parsed.headings]
    assert levels[:4] == [("Metformin & weight: a small trial", 1), ("Abstract", 2), ("Background", 3), ("Results", 3)]
    assert ("1 Methods", 2) in levels and ("Dose", 3) in levels
    known = {"journal": "Journal of Invented Trials", "year": 2020, "published": "2020-03-07", "doi": "10.1000/x"}
    known |= {"pmid": "111", "pmcid": "PMC222", "licence": "https://creativecommons.org/licenses/by/4.0/"}
    known |= {"authors": "Jane Doe", "document_type": "research-article", "references": 1}
    assert {key: parsed.document.metadata.get(key) for key in known} == known
    assert "retracted" not in parsed.document.metadata


def test_a_chinese_article() -> None:
    (parsed,) = read(CHINESE.encode(), "a.xml")
    assert isinstance(parsed, Parsed)
    assert check(parsed) == [
        "二甲双胍与体重",
        "摘要",
        "目的：观察体重变化。结果：体重下降2.1千克。",
        "方法",
        "每日1000毫克。随访12周。",
    ]
    assert (parsed.document.language, parsed.document.metadata["journal"]) == ("zh", "虚构医学杂志")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('article-type="research-article"', 'article-type="retraction"'),
        ("RELATED", '<related-article related-article-type="retraction-forward"/>'),
        ("<article-title>", "<article-title>RETRACTED: "),
    ],
)
def test_a_retraction_is_flagged(old: str, new: str) -> None:
    (document,) = parse(ARTICLE.replace(old, new, 1).encode(), "a.nxml")
    assert document.metadata["retracted"] is True


def test_records_come_one_a_document() -> None:
    first, empty, last = read(RECORDS.encode(), "set.xml")
    assert isinstance(first, Parsed) and isinstance(last, Parsed)
    assert check(first) == ["Aspirin after stroke.", "Background: Stroke recurs.", "Results: Aspirin 100 mg helped."]
    known = {"pmid": "31", "doi": "10.1000/a", "journal": "Invented Letters", "year": 2018, "published": "2018-11"}
    known |= {"document_type": "Randomized Controlled Trial", "authors": "Wei Li"}
    assert {key: first.document.metadata.get(key) for key in known} == known
    assert isinstance(empty, Broken) and empty.source == "set.xml#32" and "no text" in empty.reason
    assert check(last) == ["[Blood pressure.]", "高血压的随访研究", "血压下降10毫米汞柱。"]
    assert (last.document.source, last.document.metadata["retracted"]) == ("set.xml#33", True)


def test_what_is_broken_is_told() -> None:
    with pytest.raises(DocumentError, match=r"a\.xml: the XML is broken"):
        parse(ARTICLE[:700].encode(), "a.xml")
    read_on = list(read(RECORDS[: RECORDS.index("<PMID>32")].encode(), "set.xml"))
    assert [type(item).__name__ for item in read_on] == ["Parsed", "Broken"]
    with pytest.raises(DocumentError, match=r"named \.xml are not read"):
        parse(b"<?xml version='1.0'?><invoice><total>5</total></invoice>", "a.xml")
    deep = b"<article><body>" + b"<sec>" * 5000 + b"x" + b"</sec>" * 5000 + b"</body></article>"
    with pytest.raises(DocumentError, match="nest more than"):
        parse(deep, "a.xml")
    lines = "".join(
        f'<!ENTITY e{i} "{"&e" + str(i - 1) + ";" if i else "ha"}{"&e" + str(i - 1) + ";" if i else ""}">'
        for i in range(40)
    )
    bomb = f"<!DOCTYPE article [{lines}]><article><body><p>&e39;</p></body></article>"
    with pytest.raises(DocumentError, match="broken"):
        parse(bomb.encode(), "a.xml")
