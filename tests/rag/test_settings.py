from pathlib import Path

import pytest

from rag.errors import SettingsError
from rag.settings import load_settings


def test_command_line_over_environment_over_file_over_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "consilium.toml"
    file.write_text('llm = "smollm2"\ndomain = "medical"\n[retrieve]\nk = 5\nfetch_k = 50\n', encoding="utf-8")
    monkeypatch.setenv("CONSILIUM_CONFIG", str(file))
    assert load_settings().retrieve.k == 5
    assert load_settings().llm.name == "smollm2"
    monkeypatch.setenv("CONSILIUM_RETRIEVE__K", "6")
    assert load_settings().retrieve.k == 6
    assert load_settings().retrieve.fetch_k == 50
    assert load_settings(retrieve={"k": 7}).retrieve.k == 7
    assert load_settings(domain="financial").domain == "financial"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"retrieve": {"kk": 3}}, "retrieve.kk"),
        ({"retrieve": {"k": 0}}, "greater than or equal to 1 (got 0)"),
        ({"domain": "law"}, "'medical'"),
        ({"embed": {"batch_tokens": "many"}}, "embed.batch_tokens"),
    ],
)
def test_a_wrong_setting_names_key_value_and_what_is_allowed(overrides: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as told:
        load_settings(**overrides)
    assert words in str(told.value) and "consilium settings show" in str(told.value)


def test_a_broken_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "consilium.toml"
    file.write_text("k = = 3", encoding="utf-8")
    monkeypatch.setenv("CONSILIUM_CONFIG", str(file))
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings()


def test_hash_sees_what_changes_answers_and_nothing_else(tmp_path: Path) -> None:
    base = load_settings().hash()
    assert load_settings(home=tmp_path).hash() == base
    assert load_settings(llm={"api_key": "secret"}).hash() == base
    assert load_settings(retrieve={"k": 3}).hash() != base
    assert "secret" not in repr(load_settings(llm={"api_key": "secret"}))
