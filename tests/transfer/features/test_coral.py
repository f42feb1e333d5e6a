import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.covariance import ledoit_wolf

from nlptl import CORAL
from nlptl.base.errors import ConfigError, InputError
from nlptl.base.transfer import Context, DomainFeatures
from nlptl.transfer.features.coral import STRENGTHS, coral_loss, coral_map, covariance
from nlptl.transfer.features.domain_loss import DomainRows


def shrunk(rows):
    """Ledoit and Wolf's estimate for standardised columns, on the scale of the columns."""
    scale = rows.std(axis=0)
    return np.outer(scale, scale) * ledoit_wolf((rows - rows.mean(axis=0)) / scale)[0]


def mapped_by_hand(source, target):
    """The mapping of skada's CORALAdapter, which does not centre, for centred domains."""
    return source @ np.linalg.inv(sqrtm(shrunk(source))).real @ sqrtm(shrunk(target)).real


@pytest.fixture
def domains():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4)) + 3
    target = rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4)) - 2
    return source, target


def test_the_full_mapping_is_that_of_the_paper(domains):
    source, target = domains
    centred = source - source.mean(axis=0), target - target.mean(axis=0)
    found = coral_map(*centred, strength=1.0)
    np.testing.assert_allclose(found, mapped_by_hand(*centred), rtol=1e-8)
    np.testing.assert_allclose(
        coral_map(source, target, strength=1.0), found + target.mean(axis=0), rtol=1e-8
    )


def test_the_mapped_source_has_mean_and_covariance_of_the_target():
    rng = np.random.default_rng(1)
    source = rng.normal(size=(4000, 3)) @ rng.normal(size=(3, 3))
    target = rng.normal(size=(4000, 3)) @ rng.normal(size=(3, 3)) + 1
    mapped = coral_map(source, target, strength=1.0)
    np.testing.assert_allclose(mapped.mean(axis=0), target.mean(axis=0), atol=1e-9)
    wanted = np.cov(target, rowvar=False)
    np.testing.assert_allclose(np.cov(mapped, rowvar=False), wanted, atol=0.06 * wanted.max())


@pytest.mark.parametrize("strength", [0.25, 0.5])
def test_the_strength_is_the_share_of_the_full_mapping(domains, strength):
    none, full = (coral_map(*domains, strength=s) for s in (0.0, 1.0))
    wanted = (1 - strength) * none + strength * full
    np.testing.assert_allclose(coral_map(*domains, strength=strength), wanted, rtol=1e-9)


def test_more_columns_than_rows_and_constant_columns_are_mapped():
    rng = np.random.default_rng(2)
    source, target = rng.normal(size=(6, 20)), rng.normal(size=(5, 20))
    source[:, 3] = 1.0
    target[:, 4] = 0.0
    mapped = coral_map(source.astype(np.float32), target.astype(np.float32), strength=1.0)
    assert mapped.dtype == np.float32 and np.isfinite(mapped).all()
    zeros = coral_map(np.zeros((3, 2)), np.zeros((3, 2)), strength=1.0)
    np.testing.assert_array_equal(zeros, 0.0)


def test_the_covariance_is_shrunk_after_the_columns_are_scaled(domains):
    source, _ = domains
    source = source * [1.0, 10.0, 100.0, 1.0]
    np.testing.assert_allclose(covariance(source), shrunk(source), rtol=1e-9)
    plain, _ = ledoit_wolf(source)
    assert np.abs(covariance(source) / plain - 1).max() > 0.05


def test_one_row_has_no_covariance(domains):
    source, target = domains
    for pair in ((source[:1], target), (source, target[:1])):
        with pytest.raises(InputError, match=r"two rows per domain .* got \d+ source rows and"):
            coral_map(*pair, strength=0.5)
        assert len(coral_map(*pair, strength=0.0)) == len(pair[0])


def features_of(source, target):
    none = np.zeros((0, source.shape[1])), np.zeros(0, dtype=np.int64)
    return DomainFeatures(source, np.zeros(len(source), dtype=np.int64), target, *none, 2)


def test_a_choice_of_the_strength_has_variants(domains):
    assert [variant.strength for variant in CORAL(weight=3.0).variants()] == list(STRENGTHS)
    assert all(variant.weight == 3.0 for variant in CORAL(weight=3.0).variants())
    assert CORAL(0.5).variants() == ()
    with pytest.raises(ConfigError, match="needs a number as strength, got 'auto'"):
        CORAL().align(features_of(*domains))
    aligned = CORAL(0.5).align(features_of(*domains))
    np.testing.assert_allclose(aligned, coral_map(*domains, strength=0.5))


@pytest.mark.parametrize(
    "options",
    [
        {"strength": 1.5},
        {"strength": -0.1},
        {"strength": "full"},
        {"strength": float("nan")},
        {"weight": 0.0},
        {"ramp": 3.0},
    ],
)
def test_bad_choices_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        CORAL(**options)


def test_the_loss_is_that_of_the_paper(domains):
    difference = np.cov(domains[0], rowvar=False) - np.cov(domains[1], rowvar=False)
    wanted = (difference**2).sum() / (4 * 4**2)
    assert float(coral_loss(*map(torch.from_numpy, domains))) == pytest.approx(wanted, rel=1e-9)


def value_of(source, target):
    bound = CORAL().bind(Context(None, 1, 0, list))
    return bound.value(DomainRows(source, target, source, target, len(target)), 0.5)


def test_in_training_the_variance_within_the_domains_is_one(domains):
    scale = np.sqrt(np.mean([part.var(axis=0, ddof=1) for part in domains]))
    wanted = coral_loss(*(torch.from_numpy(part / scale) for part in domains))
    for factor in (1.0, 1e-3):
        scaled = [torch.from_numpy(part * factor) for part in domains]
        assert float(value_of(*scaled)) == pytest.approx(float(wanted), rel=1e-6)


def test_moving_the_domains_apart_does_not_lower_the_loss(domains):
    source, target = map(torch.from_numpy, domains)
    near, far = (float(value_of(source, target + shift)) for shift in (0.0, 100.0))
    assert far == pytest.approx(near, rel=1e-9)


def test_shrinking_all_features_does_not_lower_the_loss(domains):
    rows = [torch.from_numpy(part).requires_grad_(True) for part in domains]
    value_of(*rows).backward()
    gradient = torch.cat([row.grad for row in rows])
    both = torch.cat([(row - row.mean(dim=0)).detach() for row in rows])
    assert float(gradient.norm()) > 1e-4
    assert abs(float((gradient * both).sum())) < 1e-8 * float(gradient.norm() * both.norm())


@pytest.mark.parametrize(("n_source", "n_target"), [(1, 4), (4, 1), (0, 4)])
def test_a_domain_with_one_row_has_no_loss(n_source, n_target):
    assert value_of(torch.randn(n_source, 3), torch.randn(n_target, 3)) is None
    assert torch.isfinite(value_of(torch.randn(2, 3), torch.randn(2, 3)))


def test_a_column_that_is_constant_in_the_target_becomes_constant():
    rng = np.random.default_rng(0)
    source, target = 0.05 * rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    target[:, 2] = 1.0
    mapped = coral_map(source, target, strength=1.0)
    np.testing.assert_allclose(mapped[:, 2], 1.0, atol=1e-3)
    assert mapped[:, 0].std() > 0.3
