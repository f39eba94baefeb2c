"""The one exception of dynamark's own: bad input, said in one line with the remedy."""


class UserError(Exception):
    """Something a person can mend. Its message is one line: what was given, what was wanted, and the remedy."""


def clean(text: str) -> str:
    """Text of unknown origin with everything that a terminal could take for a command replaced: control characters, directions.

    Line breaks and tabulators stay; a lone surrogate, which no encoding takes, becomes a question mark.
    """
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text).replace("\ufffd", "?")


def one_line(text: str, most: int = 300) -> str:
    """Text as one printable line of at most so many characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def unknown(kind: str, name: str, known: list[str]) -> UserError:
    """Error for a name that is in no table, with the nearest names that are."""
    import difflib

    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"available: {', '.join(sorted(known))}"
    return UserError(f"unknown {kind} '{name}'; {hint}")
