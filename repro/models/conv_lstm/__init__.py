"""A VGG on every frame and an LSTM over its features (the ConvNet + LSTM of Carreira and Zisserman 2017)."""
