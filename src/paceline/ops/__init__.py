"""What the operator's commands do; ``paceline.cli`` gives it words and tables."""
