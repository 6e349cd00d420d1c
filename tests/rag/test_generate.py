from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import GenerationError, MissingExtraError, SettingsError
from rag.generate import LangChainGenerator, open_generator
from tests.rag.chat_server import saying, serving

ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the capital of France?"}]


def test_choosing_a_model_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rag.generate import open_generator\n"
        f"cache = Path({str(tmp_path)!r})\n"
        "open_generator('smollm2', cache=cache); open_generator('m', url='http://localhost/v1', cache=cache)\n"
        "print(sorted({'torch', 'transformers', 'httpx', 'langchain', 'langchain_core'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["smolm2", "gpt-4o", "/no/such/folder", "../secret", "", "a/b/c", "langchain:openai"])
def test_a_name_that_means_no_model_says_what_is_allowed(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="langchain:PROVIDER:MODEL"):
        open_generator(name, cache=tmp_path)


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"config\.json"):
        open_generator(str(tmp_path), cache=tmp_path)


def test_extractive_is_no_language_model(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="extractive"):
        open_generator("extractive", cache=tmp_path)


def test_with_an_address_any_name_is_the_servers(tmp_path: Path) -> None:
    with serving() as server:
        server.replies = [saying("Paris.")]
        generator = open_generator("smollm2", url=server.url, api_key="k", cache=tmp_path)
        assert list(generator.stream(ASK)) == ["Paris."]
        assert generator.name == server.seen[0]["body"]["model"] == "smollm2"
        generator.close()  # type: ignore[attr-defined]


def fake_chat_model(*answers: str) -> object:
    from langchain_core.language_models import GenericFakeChatModel

    return GenericFakeChatModel(messages=iter(answers))


def test_any_langchain_chat_model_streams() -> None:
    generator = LangChainGenerator(fake_chat_model("The capital is Paris."), "fake")  # type: ignore[arg-type]
    pieces = list(generator.stream(ASK))
    assert "".join(pieces) == "The capital is Paris."
    assert len(pieces) > 1
    assert generator.name == "fake"


def test_what_a_langchain_provider_raises_is_told_as_a_generation_error() -> None:
    generator = LangChainGenerator(fake_chat_model(), "fake")  # type: ignore[arg-type]
    with pytest.raises(GenerationError, match="fake failed"):
        list(generator.stream(ASK))


def test_closing_a_langchain_stream_closes_the_model_behind() -> None:
    closed = []

    class Model:
        model_name = "endless"

        def stream(self, _: object) -> Iterator[object]:
            from langchain_core.messages import AIMessageChunk

            try:
                while True:
                    yield AIMessageChunk(content=[{"type": "text", "text": "word "}])
            finally:
                closed.append(True)

    generator = LangChainGenerator(Model())  # type: ignore[arg-type]
    assert generator.name == "endless"
    pieces = generator.stream(ASK)
    assert next(pieces) == "word "
    pieces.close()  # type: ignore[attr-defined]
    assert closed == [True]


def test_a_langchain_model_by_name_asks_its_provider(tmp_path: Path) -> None:
    pytest.importorskip("langchain_openai")
    with serving() as server:
        server.replies = [saying("Par", "is.")]
        generator = open_generator("langchain:openai:tiny", url=server.url, api_key="k", max_tokens=9, cache=tmp_path)
        assert "".join(generator.stream(ASK)) == "Paris."
        assert [m["content"] for m in server.seen[0]["body"]["messages"]] == [m["content"] for m in ASK]


@pytest.mark.parametrize(("name", "words"), [("langchain:nobody:m", "nobody"), ("langchain:cohere:m", "package")])
def test_an_unknown_langchain_provider_is_told(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=words):
        open_generator(name, cache=tmp_path)


def test_a_missing_package_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"consilium\[llm\]"):
        list(open_generator("m", url="http://localhost/v1", cache=tmp_path).stream(ASK))
    with pytest.raises(MissingExtraError, match=r"consilium\[langchain\]"):
        open_generator("langchain:openai:m", cache=tmp_path)
