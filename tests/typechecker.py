"""The type checker of the tests: shapes by jaxtyping, types by beartype; a whole number counts as a float, as for mypy."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
