"""Every error a reader can meet, one tree. Each says what was wrong, the value got, what is allowed, the next step.

ConsiliumError
├── UserError                  the input or the settings are at fault: exit 1, no traceback
│   ├── SettingsError          an unknown key or a value out of bounds
│   ├── UnknownCollectionError
│   ├── UnknownDocumentError
│   ├── DocumentError          one file cannot be read: broken, empty, encrypted, unsupported, too large
│   ├── EmbedderMismatchError  a collection was made by another embedder
│   ├── LockedError            another process is writing; names it
│   └── MissingExtraError      an optional package is not installed; names the extra
├── StoreError                 the files of a collection contradict each other, or the disk refused a write
├── WeightsError               a model file is not the one it claims to be
├── GenerationError            a language model failed or gave nothing usable
└── FetchError                 a public source cannot be reached, refuses, or holds nothing that was asked for
"""

from __future__ import annotations


class ConsiliumError(Exception):
    """Root of the tree. `str(error)` is fit to show to a reader."""


class UserError(ConsiliumError):
    """The input or the settings are at fault; nothing was lost."""


class SettingsError(UserError):
    """An unknown key or a value out of bounds."""


class UnknownCollectionError(UserError):
    """The named collection does not exist."""


class UnknownDocumentError(UserError):
    """The named document is not in the collection."""


class DocumentError(UserError):
    """One file cannot be read; the batch goes on without it."""


class EmbedderMismatchError(UserError):
    """The collection was made by another embedder than the one in the settings."""


class LockedError(UserError):
    """Another process holds the write lock of the collection."""


class MissingExtraError(UserError, ImportError):
    """An optional package is not installed."""


class StoreError(ConsiliumError):
    """The files of a collection contradict each other, or the disk refused a write."""


class WeightsError(ConsiliumError):
    """A model file is not the one it claims to be."""


class GenerationError(ConsiliumError):
    """A language model failed or gave nothing usable."""


class FetchError(ConsiliumError):
    """A public source cannot be reached, refuses, or holds nothing that was asked for."""


def require(package: str, *, extra: str) -> None:
    """Admit an optional package, or say which extra brings it.

    Raises:
        MissingExtraError: the package is not installed.
    """
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(
            f"This needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'consilium[{extra}]'"
        )
