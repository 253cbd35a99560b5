import numpy as np
import torch

from pesx.so3krates.so3lr import ELEMENTS, import_so3lr


def test_tables_keep_the_rows_of_the_elements(so3lr_arrays, write_so3lr) -> None:
    model, _ = import_so3lr(write_so3lr(so3lr_arrays))
    table = so3lr_arrays["params/feature_embeddings_0/Embed_0/embedding"]
    np.testing.assert_array_equal(model.embedding.weight.detach().numpy(), table[list(ELEMENTS)])
    offset = so3lr_arrays["params/observables_0/energy_offset"]
    np.testing.assert_array_equal(model.head().shift.detach().numpy(), offset[list(ELEMENTS)])


@torch.no_grad()
def test_the_filter_before_the_first_layer_is_what_it_was_for_zeros(so3lr_arrays, write_so3lr) -> None:
    model, _ = import_so3lr(write_so3lr(so3lr_arrays))
    name = "params/layers_0/attention_block"

    def array(key: str) -> torch.Tensor:
        return torch.from_numpy(so3lr_arrays[f"{name}/{key}"])

    def mlp(x: torch.Tensor, key: str) -> torch.Tensor:
        hidden = torch.nn.functional.silu(x @ array(f"{key}_layer_1/kernel") + array(f"{key}_layer_1/bias"))
        return hidden @ array(f"{key}_layer_2/kernel") + array(f"{key}_layer_2/bias")

    radial = torch.randn(5, 8, generator=torch.manual_seed(0))
    expected = mlp(radial, "radial_filter1") + mlp(torch.zeros(5, 4), "spherical_filter1")
    found = model.layers[0].attention.feature.filter(radial, None)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_matrices_of_heads_act_on_the_features_from_the_left(so3lr_arrays, write_so3lr) -> None:
    model, _ = import_so3lr(write_so3lr(so3lr_arrays))
    weight = torch.from_numpy(so3lr_arrays["params/layers_1/attention_block/Wv1"])
    x = torch.randn(4, 16, generator=torch.manual_seed(0))
    expected = torch.einsum("hij,nhj->nhi", weight, x.view(4, 2, 8)).flatten(1)
    torch.testing.assert_close(model.layers[1].attention.value(x), expected, rtol=0, atol=1e-5)
