"""Every word of the pages, in English and Chinese. Braces are filled by `str.format`.

A new sentence on a page is a new field here, so that neither language can lack it.
"""

from __future__ import annotations

from dataclasses import dataclass

from rag.language import Language


@dataclass(frozen=True, slots=True)
class Words:
    """One language of the pages."""

    language: Language
    chat: str
    documents: str
    collection: str
    collection_help: str
    new_collection: str
    new_collection_name: str
    new_collection_rule: str
    create: str
    field: str
    fields: dict[str, str]
    language_label: str
    document_count: str
    answered_by: str
    extractive: str
    about: str
    # asking
    ask_here: str
    searching: str
    reading: str
    stopped: str
    new_conversation: str
    try_asking: str
    empty_title: str
    empty_body: str
    to_documents: str
    start_title: str
    stop: str
    start_body: str
    samples: tuple[str, ...]
    suggest_heading: str
    suggest_title: str
    # answers
    supported: str
    contradicted: str
    not_enough_info: str
    supported_help: str
    contradicted_help: str
    not_enough_info_help: str
    all_supported: str
    some_supported: str
    unchecked: str
    not_in_sources: str
    not_in_sources_help: str
    from_source: str
    sources: str
    open_source: str
    close: str
    quote: str
    page: str
    superseded: str
    retracted: str
    no_answer: str
    was_found: str
    nothing_found: str
    spoke: str
    # documents
    add_title: str
    add_help: str
    drop_here: str
    choose_files: str
    add_button: str
    adding: str
    saving: str
    done: str
    done_counts: str
    failed_title: str
    notes_title: str
    list_title: str
    list_empty: str
    filter_documents: str
    none_match: str
    languages: dict[str, str]
    chunks: str
    pages: str
    added: str
    read: str
    read_title: str
    delete: str
    delete_title: str
    delete_ask: str
    keep: str
    deleted: str
    earlier: str
    later: str
    range_of: str
    passage_kinds: dict[str, str]
    # faults
    user_fault: str
    fault: str
    bug: str


EN = Words(
    language="en",
    chat="Chat",
    documents="Documents",
    collection="Collection",
    collection_help="One body of documents. Questions are answered from this one alone.",
    new_collection="New collection",
    new_collection_name="Name",
    new_collection_rule="Letters, digits, - and _. For example: oncology-guidelines",
    create="Create",
    field="Field",
    fields={"general": "General", "medical": "Medicine", "financial": "Finance"},
    language_label="Language · 语言",
    document_count="Documents: {documents}",
    answered_by="Answers by",
    extractive="verbatim sentences (no language model)",
    about="Consilium answers from your own documents. Every sentence points at the passage that carries it; "
    "where the documents do not hold the answer, it says so.",
    ask_here="Ask about these documents",
    searching="Searching the documents…",
    reading="Reading what was found…",
    stopped="Stopped. This text is unfinished and was not checked.",
    new_conversation="New conversation",
    try_asking="Try asking",
    empty_title="No documents yet",
    empty_body="Add a PDF, Word, Excel, HTML, Markdown or text file. Or run “make demo” where Consilium is installed: "
    "it brings sample documents, medical and financial, in English and Chinese.",
    to_documents="Add documents",
    stop="Stop",
    start_title="What do you need to know?",
    start_body="Each sentence of an answer carries a number: press it to read the passage it comes from. "
    "If the documents do not hold the answer, you are told so.",
    samples=(
        "When is metformin contraindicated?",
        "What were PepsiCo's net revenues in 2022?",
        "Who won the 2022 football World Cup?",
    ),
    suggest_heading="What does “{title}” say about “{heading}”?",
    suggest_title="What does “{title}” say?",
    supported="supported",
    contradicted="contradicted",
    not_enough_info="not confirmed",
    supported_help="The cited passage supports this sentence (confidence {confidence})",
    contradicted_help="The cited passage says otherwise (confidence {confidence})",
    not_enough_info_help="The cited passage is not enough to confirm this sentence (confidence {confidence})",
    all_supported="Checked: every sentence is supported by the passage it cites",
    some_supported="Checked: {supported} of {claims} sentences supported. Read the marked ones against their source",
    unchecked="Not checked",
    not_in_sources="not in the sources",
    not_in_sources_help="No cited passage carries this figure",
    from_source="From {provenance}",
    sources="Sources",
    open_source="Open source {rank}: {place}",
    close="Close",
    quote="quoted",
    page="page {page}",
    superseded="Superseded by {title}",
    retracted="Retracted",
    no_answer="No answer in these documents",
    was_found="What was found ({passages})",
    nothing_found="Nothing near the question was found.",
    spoke="{model} · {seconds} s",
    add_title="Add documents",
    add_help="PDF, Word, Excel, HTML, Markdown, text, CSV, JSONL. A file added again replaces the old one.",
    drop_here="Drop files here, up to {megabytes} MB each",
    choose_files="Choose files",
    add_button="Add to “{collection}”",
    adding="Reading {name} ({done} of {total})",
    saving="Saving…",
    done="Done in {seconds} s",
    done_counts="{documents} added, {updated} replaced, {unchanged} unchanged, {failed} failed",
    failed_title="Could not be read",
    notes_title="Worth knowing",
    list_title="Documents in “{collection}”",
    list_empty="This collection is empty.",
    filter_documents="Find by title or file name",
    none_match="No document matches “{text}”.",
    languages={"en": "English", "zh": "Chinese"},
    chunks="passages: {chunks}",
    pages="pages: {pages}",
    added="added {date}",
    read="Read",
    read_title="As it was read",
    delete="Delete",
    delete_title="Delete this document?",
    delete_ask="It leaves the answers at once, and its text is erased from this collection's files. "
    "This cannot be undone. The file you uploaded it from is not touched.",
    keep="Keep it",
    deleted="Deleted: {name}",
    earlier="Previous",
    later="Next",
    range_of="{first}–{last} of {total}",
    passage_kinds={"prose": "text", "table": "table", "row": "table row"},
    user_fault="That did not work",
    fault="Consilium could not go on",
    bug="Something went wrong inside Consilium ({kind}). Your documents are safe. Try again; if it stays, report it: "
    "the details are in the window where Consilium was started.",
)

ZH = Words(
    language="zh",
    chat="问答",
    documents="文档",
    collection="文档库",
    collection_help="一组文档。问题只从当前文档库中回答。",
    new_collection="新建文档库",
    new_collection_name="名称",
    new_collection_rule="可用字母、数字、- 和 _，例如：oncology-guidelines",
    create="创建",
    field="领域",
    fields={"general": "通用", "medical": "医学", "financial": "金融"},
    language_label="语言 · Language",
    document_count="文档数：{documents}",
    answered_by="回答方式",
    extractive="摘录原文句子（不用语言模型）",
    about="Consilium（会诊）只根据您自己的文档作答。每一句都指明出处；文档中没有答案时，会直接告诉您。",
    ask_here="就这些文档提问",
    searching="正在检索文档…",
    reading="正在阅读检索到的内容…",
    stopped="已停止。以上文字未完成，也未经核对。",
    new_conversation="新对话",
    try_asking="可以这样问",
    empty_title="还没有文档",
    empty_body="请添加 PDF、Word、Excel、HTML、Markdown 或文本文件。也可在安装 Consilium 的目录运行 “make demo”，"
    "即可获得中英文医学与金融示例文档。",
    to_documents="添加文档",
    stop="停止",
    start_title="您想了解什么？",
    start_body="回答的每一句后面都有编号，点击即可查看原文段落。如果文档中没有答案，会直接告诉您。",
    samples=("诊断糖尿病的糖化血红蛋白标准是多少？", "四方科技2019年的净利润是多少？", "2022年世界杯冠军是谁？"),
    suggest_heading="《{title}》关于“{heading}”是怎么说的？",
    suggest_title="《{title}》说了什么？",
    supported="有依据",
    contradicted="与原文矛盾",
    not_enough_info="未能证实",
    supported_help="引用的段落支持这句话（置信度 {confidence}）",
    contradicted_help="引用的段落与这句话不符（置信度 {confidence}）",
    not_enough_info_help="引用的段落不足以证实这句话（置信度 {confidence}）",
    all_supported="已核对：每一句都有所引段落支持",
    some_supported="已核对：{claims} 句中有 {supported} 句得到支持，请对照原文阅读带标记的句子",
    unchecked="未核对",
    not_in_sources="原文中未见",
    not_in_sources_help="所引段落中没有这个数字",
    from_source="出处：{provenance}",
    sources="出处",
    open_source="打开出处 {rank}：{place}",
    close="关闭",
    quote="引文",
    page="第 {page} 页",
    superseded="已被《{title}》取代",
    retracted="已撤稿",
    no_answer="文档中没有答案",
    was_found="检索到的内容（{passages}）",
    nothing_found="没有找到与问题相近的内容。",
    spoke="{model} · {seconds} 秒",
    add_title="添加文档",
    add_help="支持 PDF、Word、Excel、HTML、Markdown、文本、CSV、JSONL。再次添加同名文件会替换旧的内容。",
    drop_here="将文件拖到这里，每个不超过 {megabytes} MB",
    choose_files="选择文件",
    add_button="添加到“{collection}”",
    adding="正在读取 {name}（{done}/{total}）",
    saving="正在保存…",
    done="完成，用时 {seconds} 秒",
    done_counts="新增 {documents}，替换 {updated}，未变 {unchanged}，失败 {failed}",
    failed_title="无法读取",
    notes_title="请注意",
    list_title="“{collection}”中的文档",
    list_empty="这个文档库是空的。",
    filter_documents="按标题或文件名查找",
    none_match="没有与“{text}”匹配的文档。",
    languages={"en": "英文", "zh": "中文"},
    chunks="{chunks} 个段落",
    pages="{pages} 页",
    added="添加于 {date}",
    read="查看",
    read_title="读取后的内容",
    delete="删除",
    delete_title="删除这份文档？",
    delete_ask="它会立即从回答中消失，其文字也会从文档库的文件中清除。此操作无法撤销。您上传时的原文件不受影响。",
    keep="保留",
    deleted="已删除：{name}",
    earlier="上一页",
    later="下一页",
    range_of="{first}–{last}，共 {total}",
    passage_kinds={"prose": "正文", "table": "表格", "row": "表格行"},
    user_fault="操作未完成",
    fault="Consilium 无法继续",
    bug="Consilium 内部出错（{kind}）。您的文档没有受损。请重试；若仍出现，请报告此问题，详情见启动 Consilium 的窗口。",
)

ALL: dict[Language, Words] = {"en": EN, "zh": ZH}
