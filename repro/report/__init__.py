"""Score files and published numbers -> tables, figures, claims and the README's results."""
