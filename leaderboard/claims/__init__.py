"""What papers claim, as checks on rows: one file a family, and what judges and shows them."""
