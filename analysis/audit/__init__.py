"""The audit of trajectories: when, how often and why they leave chemistry."""
