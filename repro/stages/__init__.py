"""One module per pipeline stage: which params, which files in, which files out. The rooms know how."""
