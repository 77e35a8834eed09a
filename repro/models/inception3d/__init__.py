"""I2D, I3D, S3D, S3D-G and what lies between (Carreira & Zisserman 2017; Xie et al. 2018): one inflated Inception."""
