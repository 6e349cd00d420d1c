"""Every word of the page on which two answers are compared, in English and Chinese. Braces: `str.format`."""

from __future__ import annotations

from dataclasses import dataclass

from rag.language import Language


@dataclass(frozen=True, slots=True)
class BlindWords:
    """One language of the page."""

    title: str
    lead: str
    rules: tuple[str, ...]
    name: str
    name_help: str
    start: str
    language_label: str
    judging_as: str
    other_person: str
    welcome_back: str
    progress: str
    answers: dict[str, str]
    choices: dict[str, str]
    chosen: str
    reason: str
    reason_hint: str
    passages: str
    passages_none: str
    reference: str
    back: str
    onward: str
    too_soon: str
    not_saved: str
    done: str
    done_saved: str
    done_results: str
    look_again: str
    page_title: str = "Consilium 会诊"


EN = BlindWords(
    title="Which answer is better?",
    lead="You will see a question and two answers to it. You are not told which system gave which answer, "
    "and which one comes first changes from question to question.",
    rules=(
        "Ask which answer you would rather act on: correct first, then complete, then short.",
        "The small numbers open the passage that an answer points to. Check what matters.",
        "Each vote is saved at once. Close the page whenever you like; the same name goes on where you stopped.",
    ),
    name="Your name or initials",
    name_help="Keeps your votes apart from those of others. Use the same name when you come back.",
    start="Start",
    language_label="语言 · Language",
    judging_as="Judging as {name}",
    other_person="Not you?",
    welcome_back="Welcome back, {name}: {done} of {total} are judged already. Not your name? Press “Not you?” above.",
    progress="Question {number} of {total} · {done} judged",
    answers={"left": "Answer 1", "right": "Answer 2"},
    choices={
        "left": "Answer 1 is better",
        "right": "Answer 2 is better",
        "tie": "Equally good",
        "both_bad": "Both bad",
    },
    chosen="Your vote so far: {choice}. A new vote replaces it.",
    reason="Why? (optional)",
    reason_hint="Write before you vote; Tab leaves this field",
    passages="Passages the answers were drawn from ({count})",
    passages_none="The passages behind these answers were not kept.",
    reference="Reference answer (look only after you have made up your mind)",
    back="Back",
    onward="Go on",
    too_soon="That key came within half a second of this question and was not counted.",
    not_saved="This vote was not saved",
    done="Thank you, {name}",
    done_saved="All {total} questions are judged and saved. You can close this page.",
    done_results="Whoever asked you to judge can now count the votes: consilium eval preference FOLDER",
    look_again="Look at my last vote again",
)

ZH = BlindWords(
    title="哪个回答更好？",
    lead="每次给出一个问题和两个回答。页面不透露回答出自哪个系统，两者的先后也会逐题变换。",
    rules=(
        "想一想您更愿意依据哪个回答行事：首先看是否正确，其次看是否完整，最后看是否简洁。",
        "点击小号数字可打开回答所引的段落。重要的内容请核对原文。",
        "每一票都会立即保存。您可以随时关闭页面，下次用同一姓名即可继续。",
    ),
    name="您的姓名或代号",
    name_help="用于区分各位评审者的投票。再次进入时请使用同一姓名。",
    start="开始",
    language_label="语言 · Language",
    judging_as="评审者：{name}",
    other_person="不是您？",
    welcome_back="{name}，欢迎回来：{total} 题中已评 {done} 题。如果您不是此人，请点击上方“不是您？”。",
    progress="第 {number} 题，共 {total} 题 · 已评 {done} 题",
    answers={"left": "回答 1", "right": "回答 2"},
    choices={"left": "回答 1 更好", "right": "回答 2 更好", "tie": "一样好", "both_bad": "都不好"},
    chosen="您目前的选择：{choice}。重新投票即可更改。",
    reason="理由（可不填）",
    reason_hint="请在投票前填写；按 Tab 键离开此框",
    passages="回答所依据的段落（{count}）",
    passages_none="未保存这些回答所依据的段落。",
    reference="参考答案（请先做出判断再看）",
    back="返回",
    onward="继续",
    too_soon="此按键距本题出现不足半秒，未计入。",
    not_saved="这一票未能保存",
    done="谢谢您，{name}",
    done_saved="全部 {total} 题均已评完并保存。您可以关闭此页面。",
    done_results="邀请您评审的人现在可以统计结果：consilium eval preference 文件夹",
    look_again="再看看我的最后一票",
)

ALL: dict[Language, BlindWords] = {"en": EN, "zh": ZH}
