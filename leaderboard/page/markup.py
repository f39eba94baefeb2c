"""Words as HTML: every name comes from somebody's plug-in or rows, and leaves through here."""

from __future__ import annotations

import hashlib
import html
import math
import re
import unicodedata

from dynamark.leaderboards.formats import clean
from dynamark.leaderboards.table import FAMILIES, Table

__all__ = [
    "TITLES",
    "accent",
    "brief",
    "classes",
    "cost",
    "counted",
    "dagger",
    "equation",
    "escape",
    "escape_lines",
    "memory",
    "prose",
    "seconds",
    "slug",
    "table_id",
    "title",
]


def escape(text: str) -> str:
    """Text as HTML, in attributes too; control characters become signs."""
    return html.escape(clean(text))


def escape_lines(text: str) -> str:
    """Several lines as HTML; each is cleaned by itself, so that its ends stay."""
    return "\n".join(escape(line) for line in text.splitlines())


def dagger(submitted: str) -> str:
    """The mark beside the name of a method whose results somebody submitted; empty for the project's own."""
    return f' <span title="{escape(submitted)}">†</span>' if submitted else ""


def prose(text: str) -> str:
    """A paragraph of a docstring: its lines joined, `code` marked."""
    return re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escape(" ".join(text.split())))


_GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "eta": "η",
    "theta": "θ",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "phi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
}
_SIGNS = {"<->": "↔", "<-": "←", "->": "→", "<=": "≤", ">=": "≥", "!=": "≠", "~=": "≈", "+-": "±"}


def equation(text: str) -> str:
    """A formula as docstrings write it, with its indices, powers, hats and Greek letters set as such."""
    text = " ".join(text.split())
    for plain, sign in _SIGNS.items():
        text = text.replace(plain, sign)
    text = re.sub(r"(?<![A-Za-z])[A-Za-z]+(?![A-Za-z])", lambda word: _letter(word.group()), text)
    text = re.sub(r"\bsum(?=[_(])", "Σ", text)  # elsewhere it is a word
    shown = re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escape(text))
    shown = re.sub(r"(\w)\^(?=[_\s(),;:.]|$)", "\\1\u0302", shown)  # x^ is an estimate
    shown = re.sub(r"_\{([^{}]*)\}", r"<sub>\1</sub>", shown)
    shown = re.sub(r"\^\{([^{}]*)\}", r"<sup>\1</sup>", shown)
    shown = re.sub(r"\^(-?\d+|[A-Za-z*+]\b|\*|\+)", r"<sup>\1</sup>", shown)
    shown = unicodedata.normalize("NFC", shown)
    return re.sub(r"(?<=[\w)\]*'\u0302])_(\w+)\b", r"<sub>\1</sub>", shown)


def _letter(word: str) -> str:
    if word.lower() in _GREEK:
        letter = _GREEK[word.lower()]
        return letter.upper() if word[0].isupper() else letter
    return {"sqrt": "√", "infty": "∞"}.get(word, word)


def slug(kind: str, name: str) -> str:
    """An id: readable, and different for different names."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")[:60]
    return f"{kind}-{plain}" if plain == name else f"{kind}-{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def table_id(table: Table, whole: bool = False) -> str:
    """The id of a table; with `whole` that of its section."""
    return slug("table", "-".join(filter(None, [table.family, table.tier, table.salt, "" if whole else table.track])))


TITLES = {
    "sensing": ("Matrix sensing", "recover a low-rank matrix from few measurements"),
    "lds": ("Linear systems", "predict the outputs of linear dynamical systems"),
    "koopman": ("Koopman", "forecast nonlinear flows by linear operators"),
    "chaos": ("Chaos", "reconstruct strange attractors from one trajectory"),
}


def title(family: str) -> str:
    """A family's name in headings."""
    return TITLES[family][0] if family in TITLES else family


def accent(family: str) -> str:
    """The class that gives a family its color."""
    return f"f-{family}" if family in FAMILIES else "f-other"


def classes(*names: str) -> str:
    """The attribute of these classes, without those that are empty; nothing if all are."""
    known = " ".join(filter(None, names))
    return f' class="{known}"' if known else ""


def brief(value: float | None) -> str:
    """Three digits, with powers of ten written as such."""
    if value is None or math.isnan(value):
        return ""
    text = f"{value:.3g}"
    if "e" not in text:
        return text
    mantissa, power = text.split("e")
    return f"{mantissa}·10{superscript(int(power))}"


def superscript(power: int) -> str:
    """-3 as ⁻³."""
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def seconds(value: float | None) -> str:
    """A time in the unit that suits it."""
    if value is None:
        return ""
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size or unit == "µs":
            return f"{value / size:.2g} {unit}" if value / size < 99.5 else f"{value / size:.0f} {unit}"
    return ""


def counted(number: int, what: str) -> str:
    """1 run, 2,000 runs."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def memory(value: float | None) -> str:
    """Bytes as MB or GB."""
    if value is None:
        return ""
    return f"{value / 1e9:.3g} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"


def cost(value: float | None) -> str:
    """A large whole number: 1.2k, 34M."""
    if value is None:
        return ""
    for sign, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.0f}"
