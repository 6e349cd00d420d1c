"""Three questions asked aloud of the sample documents: one medical, one financial, one they cannot answer.

`make demo` runs it after ingesting `examples/`; the assistant is opened once and answers all three.
"""

from app.render import answer_words
from rag.assemble import assemble
from rag.settings import load_settings

QUESTIONS = (
    "When is metformin contraindicated?",
    "What were PepsiCo's net revenues in 2022?",
    "Who won the 2022 football World Cup?",
)


def main() -> None:
    """Ask, print, and say how to go on."""
    with assemble(load_settings()) as assistant:
        for question in QUESTIONS:
            print(f"\n? {question}\n{answer_words(assistant.ask(question))}")
    print("\nOpen the chat in your browser with:  make chat")


if __name__ == "__main__":
    main()
