"""`dynamark check`: what an author should know about a method before a long run."""


def check(method: str) -> None:
    """To come."""
