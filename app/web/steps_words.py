"""Every word of the page that shows a search step by step, in English and Chinese. Braces: `str.format`."""

from __future__ import annotations

from dataclasses import dataclass

from rag.language import Language


@dataclass(frozen=True, slots=True)
class StepsWords:
    """One language of the page."""

    title: str
    lead: str
    query: str
    query_hint: str
    search: str
    options: str
    where: str
    where_help: str
    where_wrong: str
    k: str
    mode: str
    modes: dict[str, str]
    switches: dict[str, str]
    empty: str
    searching: str
    understood: str
    as_it_is: str
    facts: dict[str, str]
    time: str
    time_help: str
    steps: dict[str, str]
    order: str
    order_help: str
    legend: dict[str, str]
    by_words: str
    by_words_help: str
    by_meaning: str
    by_meaning_help: str
    found_of: str
    none_found: str
    not_searched: str
    moved_up: str
    moved_down: str
    not_returned: str
    place_of: str
    not_there: str
    set_back: str
    reranked: str
    matched: str
    index: str
    download: str


EN = StepsWords(
    title="Search",
    lead="What a search does with your words: how it reads them, what each way of looking finds, and why a passage "
    "comes first. Answers in the chat draw on the passages at the top of this list.",
    query="What to look for",
    query_hint="A question or a few words",
    search="Search",
    options="Filter and switches",
    where="Only documents where …",
    where_help="One condition a line, such as year>=2020, language=en or source=report.pdf. All must hold.",
    where_wrong="A condition cannot be read. Write a name, one of = != >= <= > <, and a value, each condition on a "
    "line of its own: year>=2020",
    k="Passages to return",
    mode="Look",
    modes={"hybrid": "by words and meaning", "lexical": "by words alone", "dense": "by meaning alone"},
    switches={
        "terms": "Look for other names, too",
        "companies": "Favour the companies named",
        "periods": "Favour the years and quarters named",
        "rerank": "Read the best again together with the query (rerank)",
    },
    empty="Nothing was found. Try fewer or other words, or take the filter away.",
    searching="Searching …",
    understood="How the query was read",
    as_it_is="Nothing beyond its words: no other names, no company, no year.",
    facts={
        "language": "Language",
        "expansions": "Also looked for",
        "companies": "Companies",
        "periods": "Periods",
        "boosts": "Favoured",
        "where": "Filter",
    },
    time="Where the time went: {total} ms",
    time_help="The steps are timed in a second run, so that they need not add up.",
    steps={
        "understand": "reading the query",
        "embed": "meaning of the query",
        "filter": "filter",
        "lexical": "by words",
        "dense": "by meaning",
        "fuse": "putting together",
        "rest": "texts, reading again, order",
    },
    order="The order",
    order_help="Each bar is a score from 0 to 1, and where it comes from. Press a passage to read it.",
    legend={"words": "words", "meaning": "meaning", "boost": "favoured"},
    by_words="By words",
    by_words_help="BM25: rare words that are shared count most.",
    by_meaning="By meaning",
    by_meaning_help="Cosine of the vectors: close in meaning, whatever the words.",
    found_of="{found} found, of {chunks} passages",
    none_found="No passage shares a word with the query.",
    not_searched="Not looked at.",
    moved_up="up {places} since both were put together",
    moved_down="down {places} since both were put together",
    not_returned="Found, but not returned",
    place_of="{leg} {rank}",
    not_there="{leg} –",
    set_back="A newer version exists: set back",
    reranked="Read again by {name}",
    matched="shared word",
    index="Collection {name} · {chunks} passages · state {generation}",
    download="Save as JSON",
)

ZH = StepsWords(
    title="检索过程",
    lead="看一看检索如何处理您的词句：如何理解，两种方式各找到什么，为什么某个段落排在最前。对话中的回答取自此列表最前面的段落。",
    query="检索内容",
    query_hint="一个问题，或几个词",
    search="检索",
    options="筛选与开关",
    where="只看符合下列条件的文档",
    where_help="每行一个条件，例如 year>=2020、language=zh 或 source=report.pdf；须全部满足。",
    where_wrong="有一个条件无法识别。请写：名称、= != >= <= > < 之一、值；每行一个条件，例如 year>=2020",
    k="返回段落数",
    mode="方式",
    modes={"hybrid": "词与语义", "lexical": "仅按词", "dense": "仅按语义"},
    switches={
        "terms": "同时查找别名",
        "companies": "优先所提到的公司",
        "periods": "优先所提到的年份和季度",
        "rerank": "将最靠前的段落与检索内容一起重读（重排）",
    },
    empty="没有找到。请减少或更换词语，或去掉筛选条件。",
    searching="正在检索……",
    understood="如何理解",
    as_it_is="仅按原词：没有别名、公司或年份。",
    facts={
        "language": "语言",
        "expansions": "同时查找",
        "companies": "公司",
        "periods": "期间",
        "boosts": "优先",
        "where": "筛选",
    },
    time="用时：{total} 毫秒",
    time_help="各步骤在第二次运行时计时，其和未必等于总用时。",
    steps={
        "understand": "理解",
        "embed": "计算语义",
        "filter": "筛选",
        "lexical": "按词",
        "dense": "按语义",
        "fuse": "合并",
        "rest": "取文、重排与排序",
    },
    order="最终顺序",
    order_help="色条为 0 到 1 的得分及其来源。点击段落可阅读全文。",
    legend={"words": "词", "meaning": "语义", "boost": "优先"},
    by_words="按词",
    by_words_help="BM25：共有的罕见词分量最重。",
    by_meaning="按语义",
    by_meaning_help="向量余弦：意思相近，不论用词。",
    found_of="共 {chunks} 个段落，找到 {found} 个",
    none_found="没有段落与检索内容有相同的词。",
    not_searched="未使用。",
    moved_up="合并后上升 {places} 位",
    moved_down="合并后下降 {places} 位",
    not_returned="找到但未返回",
    place_of="{leg}第 {rank}",
    not_there="{leg} –",
    set_back="已有新版本：后移",
    reranked="由 {name} 重排",
    matched="相同的词",
    index="文档集 {name} · {chunks} 个段落 · 第 {generation} 版",
    download="存为 JSON",
)

ALL: dict[Language, StepsWords] = {"en": EN, "zh": ZH}
