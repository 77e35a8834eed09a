"""Tensors in, logits out: families of networks behind one contract (`network`), found by name (`registry`)."""
