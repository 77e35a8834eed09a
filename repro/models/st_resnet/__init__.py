"""ST-ResNet and its kin: two ResNets in lockstep, with or without residuals, temporal filters and pooling over time."""
