"""Claims about matrix sensing and low-rank networks, gathered from the files that hold them."""

from __future__ import annotations

from dynamark.leaderboard.claims.sensing_descent import C01, C02, C03, C04, C05, C06, C07, C08, C09, C10, C11, C12, C13
from dynamark.leaderboard.claims.sensing_limits import C14, C15, C16, C17
from dynamark.leaderboard.claims.sensing_networks import C18, C19, C20, C21, C22, C23

__all__ = [
    "C01",
    "C02",
    "C03",
    "C04",
    "C05",
    "C06",
    "C07",
    "C08",
    "C09",
    "C10",
    "C11",
    "C12",
    "C13",
    "C14",
    "C15",
    "C16",
    "C17",
    "C18",
    "C19",
    "C20",
    "C21",
    "C22",
    "C23",
]
