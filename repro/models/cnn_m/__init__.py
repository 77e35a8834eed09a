"""CNN-M-2048 (Chatfield et al. 2014), the network of both streams of Two-Stream ConvNets (Simonyan & Zisserman 2014)."""
