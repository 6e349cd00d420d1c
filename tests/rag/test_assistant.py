"""The story told with fakes: who is asked, in which order, and what is shown."""

from collections.abc import Iterator, Sequence

import pytest

from rag.assistant import Assistant, Checked, Delta, Found, Manner
from rag.errors import UserError
from rag.extract import Extractor
from rag.schema import Chunk, Document, Message, Passage, Where
from rag.testing import FakeEmbedder
from rag.verify import open_verifier

TEXTS = (
    "Metformin is contraindicated when the eGFR is below 30 mL/min. It lowers glucose.",
    "Aspirin 100 mg once daily is used for secondary prevention in adults.",
)


class Shelf:
    """A retriever over fixed texts that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, Where | None]] = []

    def retrieve(self, query: str, k: int, *, where: Where | None = None) -> list[Passage]:
        self.asked.append((query, k, where))
        documents = [Document.of(text, f"{i}.txt") for i, text in enumerate(TEXTS)]
        chunks = [Chunk.of(document, 0, len(document.text)) for document in documents]
        return [
            Passage(c, 1.0 / r, r, "shelf", source=d.source)
            for r, (c, d) in enumerate(zip(chunks, documents, strict=True), 1)
        ][:k]


class Parrot:
    """A language model that says what it was given to say and keeps what it was told."""

    name = "parrot"

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces
        self.told: Sequence[Message] = ()
        self.said = 0

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        self.told = messages
        for piece in self.pieces:
            self.said += 1
            yield piece


def _assistant(generator: Parrot | None = None, shelf: Shelf | None = None) -> Assistant:
    embedder = FakeEmbedder()
    return Assistant(
        shelf or Shelf(),
        Extractor(embedder),
        open_verifier("support", embedder=embedder),
        generator=generator,
        manner=Manner(k=2, settings_hash="f" * 16),
    )


QUESTION = "When is metformin contraindicated?"


def test_the_extractive_answer_is_verbatim_cited_and_supported() -> None:
    shelf = Shelf()
    checked = _assistant(shelf=shelf).ask(QUESTION, where={"year": 2022})
    assert shelf.asked == [(QUESTION, 2, {"year": 2022})]
    answer = checked.answer
    assert not answer.abstained and "eGFR is below 30 mL/min" in answer.text and answer.model == "extractive"
    for citation in answer.citations:
        chunk = answer.passages[citation.rank - 1].chunk
        assert chunk.text[citation.quote_start : citation.quote_end] == answer.text[citation.start : citation.end]
    assert {claim.label for claim in checked.verdict.claims} == {"supported"}
    assert answer.settings_hash == "f" * 16 and {"search", "extract", "speak", "verify", "total"} <= set(answer.timings)


def test_events_come_in_order() -> None:
    events = list(_assistant().stream(QUESTION))
    assert isinstance(events[0], Found) and isinstance(events[-1], Checked)
    assert all(isinstance(event, Delta) for event in events[1:-1]) and len(events) >= 3


def test_a_language_model_is_told_the_passages_and_its_markers_become_citations() -> None:
    model = Parrot("Below an eGFR of 30 mL/min", " [1].")
    checked = _assistant(model).ask(QUESTION)
    assert model.told[-1]["content"].index(TEXTS[0]) < model.told[-1]["content"].index(QUESTION)
    assert checked.answer.text == "Below an eGFR of 30 mL/min."
    assert [c.rank for c in checked.answer.citations] == [1] and checked.answer.model == "parrot"


def test_a_wrong_number_of_the_model_is_flagged_and_not_supported() -> None:
    checked = _assistant(Parrot("Metformin is contraindicated when the eGFR is below 60 mL/min [1].")).ask(QUESTION)
    assert checked.verdict.claims[0].label != "supported"
    assert any(figure.text.startswith("60") and figure.rank is None for figure in checked.answer.figures)


def test_the_model_may_refuse_and_is_not_asked_without_evidence() -> None:
    refused = _assistant(Parrot("NOT IN THE DOCUMENTS")).ask(QUESTION)
    assert refused.answer.abstained and not refused.answer.citations and refused.verdict.claims == ()
    silent = Parrot("never said")
    checked = _assistant(silent).ask("Who won the football World Cup in Brazil?")
    assert checked.answer.abstained and silent.said == 0 and checked.answer.reason


def test_passages_handed_in_replace_the_search() -> None:
    shelf = Shelf()
    passages = Shelf().retrieve("", 1)
    checked = _assistant(shelf=shelf).ask(QUESTION, passages=passages)
    assert shelf.asked == [] and list(checked.answer.passages) == passages


def test_closing_the_stream_stops_the_model() -> None:
    model = Parrot(*["word "] * 100)
    stream = _assistant(model).stream(QUESTION)
    for event in stream:
        if isinstance(event, Delta):
            break
    stream.close()  # type: ignore[attr-defined]
    assert model.said < 100


@pytest.mark.parametrize("question", ["", "  \n", "x" * 9000])
def test_empty_and_endless_questions_are_refused(question: str) -> None:
    with pytest.raises(UserError, match=r"empty|at most 8,000"):
        _assistant().ask(question)


def test_without_a_collection_only_handed_passages_serve() -> None:
    embedder = FakeEmbedder()
    assistant = Assistant(None, Extractor(embedder), open_verifier("support", embedder=embedder))
    with pytest.raises(UserError, match="no collection"):
        assistant.ask(QUESTION)
    assert assistant.ask(QUESTION, passages=Shelf().retrieve("", 2)).answer.text


HISTORY = [{"role": "user", "content": "What was PepsiCo's operating profit in 2022?"}]


def test_a_question_with_a_subject_of_its_own_forgets_the_one_before() -> None:
    shelf = Shelf()
    checked = _assistant(shelf=shelf).ask(QUESTION, history=HISTORY)
    assert shelf.asked[0][0] == QUESTION
    assert not checked.answer.abstained


def test_a_follow_up_searches_with_the_subject_before_and_its_own_year() -> None:
    shelf = Shelf()
    _assistant(shelf=shelf).ask("And in 2021?", history=HISTORY)
    assert "PepsiCo" in shelf.asked[0][0] and "2021" in shelf.asked[0][0] and "2022" not in shelf.asked[0][0]


def test_a_list_is_answered_whole() -> None:
    text = (
        "Contraindications of metformin\n1. Severe renal impairment, an eGFR below 30 mL/min.\n"
        "2. Hypersensitivity to metformin.\n3. Acute or chronic metabolic acidosis.\nInteractions are listed elsewhere."
    )
    chunk = Chunk.of(Document.of(text, "m.txt", title="Metformin contraindications"), 0, len(text))
    passage = Passage(chunk, 1.0, 1, "test", source="m.txt", title="Metformin contraindications")
    checked = _assistant().ask("What are the contraindications of metformin?", passages=[passage])
    assert checked.answer.text.split("\n") == text.split("\n")[1:4]
    assert {claim.label for claim in checked.verdict.claims} == {"supported"}


def test_a_model_that_goes_in_circles_is_stopped() -> None:
    model = Parrot(*["It is below an eGFR of 30 mL/min [1]. ", "The reason is the kidney of the patient. "] * 50)
    checked = _assistant(model).ask(QUESTION)
    assert checked.answer.text == "It is below an eGFR of 30 mL/min. The reason is the kidney of the patient."
    assert model.said < 10


def test_what_a_model_says_without_source_is_not_called_supported() -> None:
    model = Parrot("It is contraindicated in severe renal disease [1]. Metformin lowers daily use.")
    checked = _assistant(model).ask(QUESTION)
    assert [claim.label for claim in checked.verdict.claims][1] == "not_enough_info"
