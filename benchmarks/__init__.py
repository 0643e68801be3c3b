"""One command a claim; its result stands as text in results/."""
