"""One frozen, typed `Settings`; classes receive values from it, never the object.

Order of authority: command line > environment `CONSILIUM_SECTION__KEY` > `consilium.toml` > domain preset > default.
The file is `consilium.toml` in the working directory, or the one named by `CONSILIUM_CONFIG`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from rag.errors import SettingsError

Domain = Literal["general", "medical", "financial"]
DOMAINS = Path(__file__).parent / "domains"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EmbedSettings(_Section):
    """Texts to vectors."""

    model: str = Field("minilm", description="'minilm' (shipped, int8 ONNX) or a sentence-transformers model or folder")
    device: str = Field("auto", description="'auto', 'cpu', 'cuda' or 'cuda:N'; for sentence-transformers models")
    batch_tokens: int = Field(4096, ge=128, le=1_048_576, description="padded tokens in one batch: bounds memory")
    threads: int = Field(0, ge=0, le=256, description="CPU threads for ONNX; 0 = as many as there are cores")


class StoreSettings(_Section):
    """Where collections are kept."""

    uri: str | None = Field(
        None,
        description="unset: a folder each in `home`; FILE.db: Milvus Lite in this process; http://HOST:19530: a Milvus",
    )
    token: SecretStr | None = Field(None, description="'user:password' or the key of a Milvus that wants one")


class ChunkSettings(_Section):
    """Documents to chunks."""

    max_tokens: int = Field(200, ge=32, le=8192, description="largest chunk in tokens of the embedder (about)")
    max_file_mb: int = Field(100, ge=1, le=65_536, description="a larger file is refused, by name")


class IngestSettings(_Section):
    """Files to documents."""

    workers: int | None = Field(
        None, ge=0, le=256, description="processes that read files; unset: a quarter of the cores; 0: none, unbounded"
    )
    file_seconds: float = Field(20.0, gt=0, le=3600, description="longest reading of one file, more for large ones")
    memory_mb: int = Field(1000, ge=100, le=1_000_000, description="most memory the reading of one file may take")
    engine: Literal["local", "ray"] = Field("local", description="who reads: processes here, or actors of Ray")
    deidentify: Literal["off", "mask", "pseudonym"] = Field(
        "off", description="persons in documents: kept, masked, or numbered; a vault in `home` knows who was who"
    )
    ocr: Literal["auto", "off"] = Field("auto", description="pages without text: read by tesseract if there, or not")
    duplicates: Literal["keep", "skip"] = Field("skip", description="documents that say what another one says")
    likeness: float = Field(0.9, ge=0.5, le=1.0, description="share of words from which a document is a duplicate")
    boilerplate: Literal["keep", "drop"] = Field(
        "keep", description="lines that only tell how a page was made and who may copy it, in passages"
    )


class FetchSettings(_Section):
    """Documents from public sources."""

    contact: str = Field("", description="your name and e-mail address, which the SEC and NCBI want to know")
    ncbi_api_key: SecretStr | None = Field(None, description="of NCBI, which allows more requests with one")
    timeout: float = Field(30.0, gt=0, le=3600, description="longest silence of a source in seconds")
    fresh_days: int = Field(7, ge=0, le=3650, description="articles fetched longer ago are fetched again")


class RetrieveSettings(_Section):
    """Queries to passages."""

    k: int = Field(8, ge=1, le=1000, description="passages an answer may draw on")
    fetch_k: int = Field(1000, ge=1, le=10_000, description="candidates each leg hands to the fusion")
    dense_weight: float | None = Field(
        None, ge=0.0, le=1.0, description="share of the dense leg; unset: measured for the shipped embedder"
    )
    mode: Literal["hybrid", "lexical", "dense"] = Field("hybrid", description="which legs search")
    terms: bool = Field(True, description="look for other names, too: MI, myocardial infarction, 心肌梗死 (hybrid)")
    terms_files: tuple[Path, ...] = Field(
        (), description="own tables of names: kind, English, Chinese, see also; split by tabs, names by '|'"
    )
    companies: bool = Field(True, description="favour documents of the companies a question names (hybrid)")
    periods: bool = Field(True, description="favour documents of the year and quarter a question names (hybrid)")
    closeness: bool = Field(True, description="order the first 50 also by how close the words asked for stand (hybrid)")
    follow_ups: bool = Field(True, description="make a question whole that leans on the ones before it")
    rerank: str = Field("off", min_length=1, description="off, shipped, or a CrossEncoder of sentence-transformers")
    rerank_k: int = Field(30, ge=1, le=1000, description="passages the reranker may read")
    rerank_ms: int = Field(250, ge=0, le=600_000, description="the reranker reads no longer than so many ms; 0: all")


class LlmSettings(_Section):
    """Who speaks."""

    name: str = Field(
        "extractive",
        description="'extractive', 'smollm2', a folder or hub id of a causal LM, or 'langchain:PROVIDER:MODEL'; "
        "with `url` set, the model name at that server",
    )
    url: str | None = Field(
        None, description="base URL of an OpenAI-compatible server, such as http://localhost:8000/v1"
    )
    api_key: SecretStr | None = Field(None, description="key for `url`, if it wants one")
    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0 = greedy, reproducible")
    max_tokens: int = Field(400, ge=1, le=32_768, description="longest answer in tokens")
    context_tokens: int = Field(3000, ge=256, le=1_000_000, description="budget for passages in the prompt")
    timeout: float = Field(60.0, gt=0, le=3600, description="seconds to wait for a server")


class VerifySettings(_Section):
    """Who checks each sentence against the passages it cites."""

    name: str = Field(
        "support",
        description="'support' (all signals without a trained model), 'lexical', 'embedding', 'checks', 'nli:MODEL' "
        "(folder or hub id of a sequence classification model) or 'judge:MODEL' (a model at `url`)",
    )
    device: str = Field("auto", description="'auto', 'cpu', 'cuda' or 'cuda:N'; for 'nli:MODEL'")
    url: str | None = Field(
        None, description="base URL of the OpenAI-compatible server of 'judge:MODEL'; unset: llm.url"
    )
    api_key: SecretStr | None = Field(None, description="key for `url`, if it wants one; without `url`: llm.api_key")
    timeout: float = Field(60.0, gt=0, le=3600, description="seconds to wait for the judge")


class AnswerSettings(_Section):
    """What is shown, and when nothing is."""

    sentences: int = Field(3, ge=1, le=20, description="most sentences of an extractive answer")
    min_confidence: float = Field(0.5, ge=0.0, le=1.0, description="below this an answer is withheld: abstain")


class Settings(BaseSettings):
    """All settings of one assistant."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="CONSILIUM_", env_nested_delimiter="__", toml_file=None
    )

    home: Path = Field(
        default_factory=lambda: Path("~/.consilium").expanduser(), description="where collections and caches live"
    )
    cache_dir: Path | None = Field(None, description="exported models; default: `cache` in `home`")
    collection: str = Field("default", description="the collection that is read and written when none is named")
    domain: Domain = Field("general", description="preset of words, prompts and defaults")
    language: Literal["auto", "en", "zh"] = Field("auto", description="of answers and pages; auto: the question's")
    store: StoreSettings = StoreSettings()
    embed: EmbedSettings = EmbedSettings()
    ingest: IngestSettings = IngestSettings()
    chunk: ChunkSettings = ChunkSettings()
    fetch: FetchSettings = FetchSettings()
    retrieve: RetrieveSettings = RetrieveSettings()
    llm: LlmSettings = LlmSettings()
    verify: VerifySettings = VerifySettings()
    answer: AnswerSettings = AnswerSettings()

    @field_validator("llm", mode="before")
    @classmethod
    def _llm_by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("verify", mode="before")
    @classmethod
    def _verifier_by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("home")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, environment, file; the domain preset is laid under them by `load_settings`."""
        file = Path(os.environ.get("CONSILIUM_CONFIG", "consilium.toml"))
        return init_settings, env_settings, _TomlWithoutEnvNames(settings_cls, file)

    @property
    def collections(self) -> Path:
        """Folder that holds one folder a collection."""
        return self.home / "collections"

    @property
    def cache(self) -> Path:
        """Folder of things that can be made again: exported and quantised models."""
        return self.cache_dir.expanduser().absolute() if self.cache_dir else self.home / "cache"

    def hash(self) -> str:
        """Return 16 hex digits over everything that can change an answer (not where things lie, not keys)."""
        out: dict[str, Any] = {"home": True, "cache_dir": True, "fetch": True, "store": True}
        values = self.model_dump(mode="json", exclude={**out, "llm": {"api_key"}, "verify": {"api_key"}})
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


class _TomlWithoutEnvNames(TomlConfigSettingsSource):
    """The settings file, if it is there; a broken one is told as a settings error."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        try:
            return tomllib.loads(file_path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file_path} is not valid TOML: {error}. Correct or remove it.") from error


def _preset(domain: str) -> dict[str, Any]:
    path = DOMAINS / f"{domain}.toml"
    found: dict[str, Any] = (
        tomllib.loads(path.read_text(encoding="utf-8")).get("settings", {}) if path.is_file() else {}
    )
    return found


def _under(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _under(merged[key], value) if both else value
    return merged


def load_settings(**overrides: Any) -> Settings:
    """Return the settings in force; `overrides` are what the command line says, sections as dictionaries.

    Raises:
        SettingsError: an unknown key or a value out of bounds, with the key, the value and what is allowed.
    """
    try:
        settings = Settings(**overrides)
        preset = _preset(settings.domain)
        if preset:
            chosen = settings.model_dump(exclude_unset=True)
            settings = Settings.model_validate(_under(preset, chosen))
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']} (got {e['input']!r})" for e in error.errors()
        ]
        raise SettingsError("Settings are wrong: " + "; ".join(lines) + ". See `consilium settings show`.") from error
    return settings
