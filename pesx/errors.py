"""What pesx raises.

::

    PesxError
    ├─ InputError(ValueError)          the caller can fix it
    │  ├─ ConfigError                  a setting is unknown or out of range
    │  └─ MoleculeError                atoms, charge and bonds do not fit together
    ├─ ContractError(TypeError)        a plug-in returned the wrong shape, dtype or device
    ├─ CheckpointError(RuntimeError)   a model file is unreadable, foreign, or from a newer version
    ├─ RunFolderError(RuntimeError)    a run folder is unreadable, foreign, or from a newer version
    │  └─ WrongFolderError(InputError) another folder was meant: it holds no run, or one of something else
    ├─ EngineError(RuntimeError)       a reference engine refused a structure
    └─ MissingExtraError(ImportError)  an optional package is not installed; names the extra

Every message says what was expected, what came, and what to do. Physics that goes wrong in one replica is not an
exception: it is an :class:`~pesx.outcome.Outcome`.
"""


class PesxError(Exception):
    """Anything that pesx raises on purpose."""


class InputError(PesxError, ValueError):
    """The caller gave something that cannot be used, and can fix it."""


class ConfigError(InputError):
    """A setting is unknown or out of range."""


class MoleculeError(InputError):
    """Atoms, charge, multiplicity and bonds do not fit together."""


class ContractError(PesxError, TypeError):
    """A plug-in returned the wrong shape, dtype or device."""


class CheckpointError(PesxError, RuntimeError):
    """A model file is unreadable, foreign, or from a newer version."""


class RunFolderError(PesxError, RuntimeError):
    """A run folder is unreadable, belongs to something else, or is from a newer version."""


class WrongFolderError(RunFolderError, InputError):
    """Another run folder was meant: this one holds no run, or that of something else, or one where none should be."""


class EngineError(PesxError, RuntimeError):
    """A reference engine refused a structure."""


class MissingExtraError(PesxError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"This needs the package {package!r}, which is not installed. Install it with: pip install 'pesx[{extra}]'"
        )
