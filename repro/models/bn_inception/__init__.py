"""BN-Inception (Ioffe & Szegedy 2015), the network of Temporal Segment Networks (Wang et al. 2016)."""
