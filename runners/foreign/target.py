"""The target of a method in an environment of its own: `env:/path/to/python!path/mine.py:Class`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dynamark.errors import UserError
from dynamark.results.keys import canonical, source_digest

__all__ = ["EnvTarget", "is_env"]

_PREFIX = "env:"
_FORM = "write env:/path/to/python!path/mine.py:Class"


def is_env(target: str) -> bool:
    """Whether a target names an interpreter of its own."""
    return target.startswith(_PREFIX)


@dataclass(frozen=True)
class EnvTarget:
    """An interpreter, a file and a class in it."""

    python: Path
    file: Path
    cls: str

    @classmethod
    def read(cls, text: str) -> EnvTarget:
        """From text. Raises `UserError` if it has another form."""
        python, mark, rest = text.removeprefix(_PREFIX).partition("!")
        file, colon, name = rest.rpartition(":")
        if not (python and mark and colon and file.endswith(".py") and name.isidentifier()):
            raise UserError(f"cannot read '{text}'; {_FORM}")
        # Not resolved: the interpreter of an environment is a link, whose place says which environment.
        return cls(Path(python).expanduser().absolute(), Path(file).absolute(), name)

    def __str__(self) -> str:
        return f"{_PREFIX}{self.python}!{self.file}:{self.cls}"

    @property
    def shown(self) -> str:
        """The name in tables."""
        return f"{self.file.name}:{self.cls}"

    def check(self) -> None:
        """Raise a `UserError` if the interpreter or the file is not there."""
        if not self.python.is_file():
            raise UserError(f"{self.python} does not exist; {_FORM}")
        if not self.file.is_file():
            raise UserError(f"{self.file} does not exist; {_FORM}")

    def digest(self) -> str:
        """The digest of the method's source, different from that of the same file under dynamark's own interpreter."""
        try:
            return hashlib.sha256(canonical(["env", source_digest(self.file)]).encode()).hexdigest()
        except SyntaxError as error:
            raise UserError(f"cannot read {self.file}: {error.msg} (line {error.lineno})") from None
