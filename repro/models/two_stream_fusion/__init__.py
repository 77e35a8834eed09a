"""Two-stream network fusion (Feichtenhofer et al. 2016): two VGG towers that meet at chosen layers."""
