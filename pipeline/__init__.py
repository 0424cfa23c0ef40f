"""cornerstream."""
