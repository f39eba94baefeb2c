"""`UserError`: invalid input, reported in one line that says how to correct it."""


class UserError(Exception):
    """Invalid input that the user can correct. Its message is one line: what was given, what was expected, and the remedy."""


class MissingPackage(UserError):
    """A package that dynamark requires is not installed: reading results works without torch, running methods does not."""


_REQUIRED = (
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "datasets",
    "tabulate",
    "jaxtyping",
    "threadpoolctl",
    "tqdm",
)


def missing_package(error: BaseException) -> MissingPackage | None:
    """The error for a failed import of a required package; None for any other error."""
    name = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if name not in _REQUIRED:
        return None
    return MissingPackage(f"this needs the package {name}, which is not installed: run `pip install {name}`")


def clean(text: str) -> str:
    """Untrusted text with every character that could control a terminal (control and bidirectional characters) as "?".

    Line breaks and tabs are kept. A lone surrogate, which cannot be encoded, also becomes "?".
    """
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text).replace("\ufffd", "?")


def one_line(text: str, most: int = 300) -> str:
    """Text as one printable line of at most `most` characters; its middle is left out, since a remedy stands at its end."""
    line = " ".join(clean(text).split())
    if len(line) <= most:
        return line
    tail = most // 2
    return f"{line[: most - tail - 1]}…{line[len(line) - tail :]}"


def storable(text: str, longest: int) -> bool:
    """Whether text can be stored in a row and printed: at most `longest` printable characters."""
    return len(text) <= longest and text.isprintable()


def unknown(kind: str, name: str, known: list[str]) -> UserError:
    """The error for an unknown name; its message suggests similar known names, or else lists all known names."""
    import difflib

    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"available: {', '.join(sorted(known))}"
    return UserError(f"unknown {kind} '{name}'; {hint}")
