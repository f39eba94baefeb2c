"""The page: the leaderboard as one HTML file that loads nothing from elsewhere."""
