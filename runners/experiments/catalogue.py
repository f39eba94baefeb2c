"""The experiments by name. A table of strings: listing it imports none."""

EXPERIMENTS: dict[str, str] = {
    # sensing
    # lds
    # koopman
    # chaos
}
