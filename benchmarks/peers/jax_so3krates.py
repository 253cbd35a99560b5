"""Times the SO3krates of mlff (JAX, flax) on one core; run by ``benchmarks/against_peers.py``.

Energies and forces: the jitted function of the package, for exactly as many atoms and pairs as there are, which is what
suits it best. Training: the package's own loss, optimiser and jitted step, on a batch padded as its loader pads.
Neighbour lists and batches are made before the clock starts.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import jraph
import numpy as np
from mlff.nn import SO3kratesSparse
from mlff.nn.stacknet.observable_function_sparse import get_energy_and_force_fn_sparse
from mlff.utils.jraph_utils import graph_to_batch_fn
from mlff.utils.training_utils import make_loss_fn, make_optimizer, make_training_step_fn
from tasks import CUTOFF, NEIGHBOURS, SIZES, Frames, directed_pairs, serve

LOSS_WEIGHTS = {"energy": 0.01, "forces": 0.99}
"""As in the package's default configuration."""


class Jax:
    """The network of mlff with random weights."""

    neighbours_timed = False

    def __init__(self) -> None:
        self.network = SO3kratesSparse(
            num_layers=SIZES["n_layers"],
            num_features=SIZES["features"],
            num_heads=SIZES["n_heads"],
            num_features_head=SIZES["features"] // SIZES["n_heads"],
            degrees=list(SIZES["degrees"]),
            radial_basis_fn="bernstein",
            num_radial_basis_fn=SIZES["n_radial"],
            cutoff_fn="phys",
            cutoff=CUTOFF,
            residual_mlp_1=False,
            residual_mlp_2=False,
            message_normalization="avg_num_neighbors",
            avg_num_neighbors=NEIGHBOURS,
            qk_non_linearity="identity",
            output_is_zero_at_init=False,
            energy_regression_dim=SIZES["features"],
            energy_activation_fn="silu",
            energy_learn_atomic_type_scales=True,
        )
        self.function = get_energy_and_force_fn_sparse(self.network)
        self.evaluate = jax.jit(self.function)
        self.weights: Any = None

    def describe(self) -> dict[str, Any]:
        one = Frames(np.array([1, 6]), np.array([[[0.0, 0, 0], [1, 0, 0]]]), np.zeros(1), np.zeros((1, 2, 3)))
        weights = self._weights(self._arrays(one))
        sizes = {jax.tree_util.keystr(path): leaf.size for path, leaf in jax.tree_util.tree_leaves_with_path(weights)}
        tables = sum(size for name, size in sizes.items() if "Embed" in name or "scales" in name)
        idle = sum(size for name, size in sizes.items() if "['layers_0']" in name and "spherical" in name)
        names = ("jax", "jaxlib", "flax", "jraph", "optax", "mlff")
        return {
            "versions": {name: version(name) for name in names},
            "weights": sum(sizes.values()),
            "weights_of_elements": tables,
            "weights_idle": idle,
        }

    def forces(self, frames: Frames) -> Any:
        inputs = self._arrays(frames)
        weights = self._weights(inputs)
        shape = frames.positions.shape

        def call() -> tuple[np.ndarray, np.ndarray]:
            out = jax.block_until_ready(self.evaluate(weights, **inputs))
            return np.asarray(out["energy"]), np.asarray(out["forces"]).reshape(shape)

        return call

    def memory(self, frames: Frames) -> int:
        """Return what the compiler says that it takes: inputs, outputs and everything between."""
        inputs = self._arrays(frames)
        found = self.evaluate.lower(self._weights(inputs), **inputs).compile().memory_analysis()
        weights = sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(self._weights(inputs)))
        return found.temp_size_in_bytes + found.argument_size_in_bytes + found.output_size_in_bytes - weights

    def train(self, frames: Frames) -> Any:
        batch = jax.tree_util.tree_map(jnp.array, graph_to_batch_fn(_padded(frames)))
        step = make_training_step_fn(optimizer := make_optimizer(), make_loss_fn(self.function, LOSS_WEIGHTS), False)
        weights = self._weights(self._arrays(frames))
        state = [weights, optimizer.init(weights)]

        def call() -> float:
            state[0], state[1], metrics = step(*state, batch)
            return float(jax.device_get(metrics)["loss"])

        return call

    def _arrays(self, frames: Frames) -> dict[str, Any]:
        n_frames, n_atoms = frames.positions.shape[:2]
        pairs = directed_pairs(frames)
        return {
            "positions": jnp.asarray(frames.positions.reshape(-1, 3), jnp.float32),
            "atomic_numbers": jnp.asarray(np.tile(frames.numbers, n_frames), jnp.int32),
            "idx_i": jnp.asarray(pairs[0], jnp.int32),
            "idx_j": jnp.asarray(pairs[1], jnp.int32),
            "batch_segments": jnp.asarray(np.repeat(np.arange(n_frames), n_atoms), jnp.int32),
            "node_mask": jnp.ones(n_frames * n_atoms, bool),
            "graph_mask": jnp.ones(n_frames, bool),
        }

    def _weights(self, inputs: dict[str, Any]) -> Any:
        if self.weights is None:
            self.weights = self.network.init(jax.random.PRNGKey(0), inputs)
        return self.weights


def _padded(frames: Frames) -> jraph.GraphsTuple:
    """Return the frames with one graph of padding, in the sizes that the package's training takes for its batches."""
    graphs, most_pairs = [], 0
    for row in range(len(frames.positions)):
        one = Frames(frames.numbers, *(array[row : row + 1] for array in frames[1:]))
        pairs = directed_pairs(one)
        most_pairs = max(most_pairs, pairs.shape[1])
        graph = jraph.GraphsTuple(
            nodes={
                "positions": one.positions[0].astype(np.float32),
                "atomic_numbers": frames.numbers.astype(np.int32),
                "forces": one.forces[0].astype(np.float32),
            },
            edges={},
            receivers=pairs[0],
            senders=pairs[1],
            n_node=np.array([len(frames.numbers)]),
            n_edge=np.array([pairs.shape[1]]),
            globals={"energy": one.energy.astype(np.float32)},
        )
        graphs.append(graph)
    n_nodes, n_edges = len(graphs) * len(frames.numbers) + 1, len(graphs) * most_pairs + 1
    return jraph.pad_with_graphs(jraph.batch_np(graphs), n_nodes, n_edges, len(graphs) + 1)


if __name__ == "__main__":
    serve(Jax)
