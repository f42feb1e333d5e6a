import numpy as np
import torch
from scipy import sparse

from nlptl.encoders.pair_features import pair_features, pair_tensors

RNG = np.random.default_rng(0)
U, V = RNG.normal(size=(2, 5, 8)).astype(np.float32)


def test_pairs_are_both_sides_their_difference_their_product_and_their_cosine():
    u, v = np.array([[3.0, 4.0]]), np.array([[0.0, 5.0]])
    cosine = 4 * 20 / 25 * 5  # four times 0.8, as long as the vectors
    found = pair_features(u, v, widths=[2])
    np.testing.assert_allclose(found, [[3, 4, 0, 5, 3, 1, 0, 20 * np.sqrt(2), cosine]], rtol=1e-6)
    thin = pair_features(sparse.csr_matrix(u), sparse.csr_matrix(v), widths=[2])
    np.testing.assert_allclose(thin.toarray(), [[3, 4, 0, 5, 3, 1, 0, 20, cosine]], rtol=1e-6)


def test_every_group_has_a_cosine_and_all_columns_stretch_alike():
    found = pair_features(U, V, widths=[2, 6])
    assert found.shape == (5, 4 * 8 + 2)
    u, v = U[:, 2:], V[:, 2:]
    lengths = np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1)
    np.testing.assert_allclose(found[:, -1], 4 * (u * v).sum(axis=1) / np.sqrt(lengths), rtol=1e-5)
    twice = pair_features(2 * U, 2 * V, widths=[2, 6])
    np.testing.assert_allclose(twice[:, -2:], 2 * found[:, -2:], rtol=1e-5)


def test_a_text_without_a_vector_is_like_nothing():
    assert pair_features(np.zeros((1, 3)), np.ones((1, 3)), widths=[3])[0, -1] == 0


def test_tensors_are_described_as_arrays_are_and_carry_gradients():
    u = torch.tensor(U, requires_grad=True)
    found = pair_tensors(u, torch.tensor(V), width=4)
    np.testing.assert_allclose(
        found.detach().numpy(), pair_features(U, V, widths=[4, 4]), rtol=1e-5
    )
    found.sum().backward()
    assert torch.isfinite(u.grad).all() and (u.grad != 0).any()
    still = torch.zeros(1, 4, requires_grad=True)
    pair_tensors(still, still, width=4).sum().backward()
    assert torch.isfinite(still.grad).all()
