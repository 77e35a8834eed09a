"""Score files and what is computed from them: metrics, uncertainty, fusion. Accuracy is never stored, always
derived."""
