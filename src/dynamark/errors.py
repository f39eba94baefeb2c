"""The one exception of dynamark's own: bad input, said in one line with the remedy."""


class UserError(Exception):
    """Something a person can mend. Its message is one line: what was given, what was wanted, and the remedy."""


def unknown(kind: str, name: str, known: list[str]) -> UserError:
    """Error for a name that is in no table, with the nearest names that are."""
    import difflib

    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"available: {', '.join(sorted(known))}"
    return UserError(f"unknown {kind} '{name}'; {hint}")
