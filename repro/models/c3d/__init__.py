"""C3D (Tran et al. 2015): eight 3x3x3 convolutions over clips of 16 frames."""
