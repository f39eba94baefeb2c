"""The base process imports what the sources of the waiting methods and tasks may import late, and not more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import write_suite

from dynamark.runners.execute.executor import Limits
from dynamark.runners.execute.local import Local
from dynamark.runners.execute.preload import LATE, late_modules
from dynamark.runners.plan.cohorts import cohorts
from dynamark.runners.plan.expand import expand
from dynamark.runners.plan.suite import load_suite

# In a fresh process, methods with the fewest late modules first: what each one imports when it is fitted and asked.
_IMPORTS = """
import sys
sys.path.insert(0, sys.argv[1])
from contract_inputs import BUDGET, KIND_OF, PROBLEMS, small
from dynamark.errors import UserError
from dynamark.methods.catalog import METHODS
from dynamark.runners.execute.preload import COMPILER, LATE, late_modules, preload
from dynamark.runners.execute.worker import solve

SLOW = COMPILER | {"numba"}  # methods that train or compile for seconds; what the others must not import
preload(())
late = {name: late_modules(target.partition("(")[0]) for name, target in METHODS.items()}
pairs = [(kind, name) for kind, names in KIND_OF.items() for name in names if not late[name] & SLOW]
for kind, name in sorted(pairs, key=lambda pair: len(late[pair[1]])):
    before = set(sys.modules)
    try:
        solve([small(name)], [next(iter(PROBLEMS[kind].values()))()], [[0]], budget=BUDGET)
    except UserError:
        continue
    print(name, *sorted((set(LATE) & set(sys.modules)) - before - late[name]))
"""


def test_no_method_imports_late_what_its_source_does_not_tell() -> None:
    command = [sys.executable, "-c", _IMPORTS, str(Path(__file__).parents[2])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len({name for name, *_ in lines}) > 40
    assert not [line for line in lines if line[1:]]


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("import torch", set()),
        ("import torch.optim as o", {"torch._dynamo"}),
        ("def f(p):\n    return torch.optim.Adam(p)", {"torch._dynamo"}),
        ("from scipy import fft", {"scipy.fft"}),
        ("from scipy.sparse.linalg import svds", {"scipy.sparse", "scipy.sparse.linalg"}),
        ("import scipy", {name for name in LATE if name.startswith("scipy")}),
        ("import helper", {"torch._dynamo"}),
        ("import unheard_of", set(LATE)),
        ("import importlib\nx = importlib.import_module(name)", set(LATE)),
        ("def broken(", set(LATE)),
    ],
)
def test_sources_tell_what_is_imported_late(text: str, modules: set[str], tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("from torch.optim import SGD\n")
    (tmp_path / "mine.py").write_text(text)
    assert late_modules(f"{tmp_path}/mine.py:Mine") == modules


def test_a_base_has_what_its_cohorts_need_and_gives_way_to_one_that_has_more(tmp_path: Path) -> None:
    (tmp_path / "trains.py").write_text(
        "import sys\nfrom dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Trains:\n"
        "    def fit_forecaster(self, problem, run):\n"
        "        # from torch.optim import Adam: what the comment names was imported by the base\n"
        "        run.facts['imported'] = float('torch._dyn' 'amo' in sys.modules)\n        return self\n\n"
        "    def forecast(self, context, horizon, inputs=None):\n"
        "        return context.observations[:, -1:].expand(-1, horizon, -1)\n"
    )
    plain = (tmp_path / "trains.py").read_text().replace("optim", "nn")
    (tmp_path / "plain.py").write_text(plain.replace("Trains", "Plain"))
    bases = []
    with Local(1, Limits(60.0), "cpu") as executor:
        for name, imported in (("plain.py:Plain", 0.0), ("trains.py:Trains", 1.0), ("plain.py:Plain", 1.0)):
            suite = load_suite(write_suite(tmp_path / "s.toml", [f"{tmp_path}/{name}"], seeds=1))
            for cohort in cohorts(expand(suite).runs):
                executor.submit(cohort)
            (outcome,) = executor.completed()
            assert {"name": "fact.imported", "value": imported} in outcome.results[0]["scores"]
            bases.append(executor._base.pid)
    assert bases[0] != bases[1] == bases[2]
