import numpy as np
import pytest
from scipy import sparse

from nlptl.base.errors import InputError
from nlptl.transfer.instances.domain_space import in_common_space


def clouds(n_columns, *, rank=3, seed=0):
    """Rows of two domains whose differences lie in a space of few dimensions."""
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(rank, n_columns))
    source, target = rng.normal(size=(40, rank)), rng.normal(size=(30, rank)) + 1
    return source @ basis, target @ basis


def distances(rows):
    return np.linalg.norm(rows[:, None] - rows[None], axis=2)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_the_main_components_keep_the_distances_up_to_one_factor(form):
    source, target = clouds(60)
    rows = np.vstack(in_common_space(form(source), form(target), n_dimensions=5, seed=0))
    assert rows.shape == (70, 5)
    before, after = distances(np.vstack([source, target])), distances(rows)
    factors = after[np.triu_indices(70, 1)] / before[np.triu_indices(70, 1)]
    np.testing.assert_allclose(factors, factors[0], rtol=1e-6)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("n_columns", [4, 60])
def test_both_domains_are_centred_and_scaled_together(form, n_columns):
    source, target = clouds(n_columns, rank=min(n_columns, 8))
    result = in_common_space(form(source * 50 + 7), form(target * 50 + 7), n_dimensions=6, seed=0)
    rows = np.vstack(result)
    assert rows.shape[1] == min(n_columns, 6) and len(result[0]) == 40
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-9)
    assert (rows**2).mean() == pytest.approx(1)
    assert result[1].mean() != pytest.approx(0)  # the domains keep their difference


def test_the_same_seed_returns_the_same_space():
    source, target = clouds(200, rank=30)
    once, again = (in_common_space(source, target, n_dimensions=5, seed=3)[0] for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_equal_rows_stay_finite():
    source, target = in_common_space(np.ones((3, 2)), np.ones((2, 2)), n_dimensions=5, seed=0)
    assert np.all(source == 0) and np.all(target == 0)


@pytest.mark.parametrize(("n_target", "n_columns"), [(0, 3), (4, 2)])
def test_domains_that_cannot_be_compared_are_refused(n_target, n_columns):
    with pytest.raises(InputError, match=r"shape \(5, 3\).*Pass texts of both"):
        in_common_space(np.ones((5, 3)), np.ones((n_target, n_columns)), n_dimensions=2, seed=0)
