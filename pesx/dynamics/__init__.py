"""Dynamics of many replicas of one molecule in one batch.

- :mod:`~pesx.dynamics.verlet`, :mod:`~pesx.dynamics.langevin`, :mod:`~pesx.dynamics.nose_hoover`: the integrators, which are
  steppers; what they share is in :mod:`~pesx.dynamics.motion`, :mod:`~pesx.dynamics.rigid`, :mod:`~pesx.dynamics.noise` and
  :mod:`~pesx.dynamics.masses`.
- :mod:`~pesx.dynamics.simulation`: the loop; :mod:`~pesx.dynamics.ring` has the last frames.
- :mod:`~pesx.dynamics.record`: what is on disk; :mod:`~pesx.dynamics.writer` and its :mod:`~pesx.dynamics.formats`,
  :mod:`~pesx.dynamics.checkpoint`, :mod:`~pesx.dynamics.topology` for other programs.
"""
