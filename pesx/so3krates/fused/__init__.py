"""The network as compiled kernels, for the CPU. Importing :mod:`.force_field` loads the compiler, so do it at first need."""
