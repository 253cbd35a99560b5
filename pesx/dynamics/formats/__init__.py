"""Formats of trajectories, each as bytes that can be appended: DCD, XTC, extended XYZ, and what becomes HDF5."""
