"""A network of timm per stream: any of its ResNets, or of what else averages its last maps and classifies them."""
