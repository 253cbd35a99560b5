"""Equilibrium and rates from minima and transition states, each taken as a harmonic well."""
