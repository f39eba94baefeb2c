"""The place of pretrained forecasters on the page: who ran one, what it had seen before, and how to run one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from dynamark.leaderboards.page.curves import linked
from dynamark.leaderboards.page.markup import brief, escape

if TYPE_CHECKING:
    import pandas

__all__ = ["zero_shot_section"]

# The task of the track, and the fields of a method by which a row says that it is of a pretrained model.
_TRACK, _STATED = "chaos/zero_shot", ("name", "revision", "license", "leak")


def zero_shot_section(frame: pandas.DataFrame) -> str:
    """The section, for all rows of the page."""
    rows = frame.loc[[_on_track(str(task)) for task in frame["task"]]]
    stated = {
        str(method): fields
        for method, text in zip(rows["method"], rows["method_fields"], strict=True)
        if set(_STATED) <= set(fields := json.loads(str(text) or "{}"))
    }
    body = _EMPTY if not stated else _table(rows, stated)
    return (
        '<section id="zero-shot" class="f-chaos"><h2>Pretrained forecasters</h2>'
        "<p>one context of a chaotic flow, no training: the zero-shot track</p>"
        f"{body}</section>\n"
    )


def _on_track(task: str) -> bool:
    return task == _TRACK or task.startswith(f"{_TRACK}(")


_EMPTY = (
    '<p class="question">Nobody has run a pretrained forecaster on this track yet: no weights are part of this project. '
    "<code>docs/zero-shot.md</code> has the protocol and the command. Methods trained on the same context, and "
    "context parroting, which copies the most similar part of it, can be run: <code>dynamark run zeroshot-chaos</code>.</p>"
)


def _table(rows: pandas.DataFrame, stated: dict[str, dict[str, object]]) -> str:
    """Every method on the track, best first, with what the rows state of pretrained models."""
    medians = {
        str(method): float(np.nanmedian(own)) if not np.isnan(own).all() else float("nan")
        for method in dict.fromkeys(rows["method"].astype(str))
        if len(own := rows.loc[(rows["method"] == method).to_numpy(), "score"].to_numpy(float))
    }
    ordered = sorted(medians, key=lambda name: (np.isnan(medians[name]), -medians[name], name))
    head = "".join(f'<th scope="col">{name}</th>' for name in ("method", "valid time", *_STATED))
    body = "".join(_row(name, medians[name], stated.get(name)) for name in ordered)
    caption = (
        "median over flows and seeds, in Lyapunov times; leak: what of the task the pretraining data may have contained"
    )
    opening = f'<div class="wide"><table><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
    return f"{opening}<tbody>{body}</tbody></table></div>"


def _row(method: str, median: float, fields: dict[str, object] | None) -> str:
    cells = ["" if fields is None else str(fields[name]) for name in _STATED]
    if fields is None:
        cells[-1] = "trained on the context"
    shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{linked(method)}</th><td>{brief(median)}</td>{shown}</tr>'
