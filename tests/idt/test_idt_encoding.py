"""Codebook, Fisher vectors and the SVM, against scikit-learn, scikit-image and finite differences."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.svm import SVC
from test_idt_files import made

from repro.errors import ReproError
from repro.idt.codebook import Codebook, Mixture, fit_codebook, fit_mixtures, sample_descriptors
from repro.idt.features import NoTrajectories, load_descriptors, save_features, save_sample
from repro.idt.fisher import CHUNK, encode, encode_batches, fisher_vector, normalise
from repro.idt.settings import CodebookSettings, descriptor_layout
from repro.idt.svm import decision_function, train_svm

SMALL = CodebookSettings(samples=300, gaussians=4, iterations=5)


@pytest.fixture(scope="module")
def mixture():
    rng = np.random.default_rng(3)
    rows = np.concatenate([rng.normal(centre, 1 + centre / 4, (150, 5)) for centre in (0, 3, 6)])
    return GaussianMixture(3, covariance_type="diag", random_state=0).fit(rows), rows


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    paths = [folder / f"{i}.npz" for i in range(4)]
    for i, (path, count) in enumerate(zip(paths, (120, 0, 7, 200))):
        save_features(path, made(count, seed=i))
    return paths


@pytest.fixture(scope="module")
def codebook(files):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit_codebook(files, SMALL, seed=1)


# Fisher vectors


def test_fisher_vector_is_scikit_images(mixture):
    from skimage.feature import fisher_vector as oracle

    gmm, rows = mixture
    ours = fisher_vector([rows[:90], rows[90:91], rows[91:]], gmm.weights_, gmm.means_, gmm.covariances_)
    theirs = oracle(rows, gmm)  # K weight gradients first; its sigma part has the opposite sign
    count = gmm.means_.size
    np.testing.assert_allclose(ours[:count], theirs[3 : 3 + count], atol=1e-10)
    np.testing.assert_allclose(ours[count:], -theirs[3 + count :], atol=1e-10)


def test_fisher_vector_is_the_gradient_of_the_likelihood(mixture):
    gmm, rows = mixture
    rows = rows[:40] + 0.5
    weights, means, sigmas = gmm.weights_, gmm.means_, np.sqrt(gmm.covariances_)

    def likelihood(means, sigmas):
        scaled = (rows[:, None] - means) / sigmas
        log = np.log(weights) - 0.5 * (scaled**2).sum(2) - np.log(sigmas).sum(1)
        return np.logaddexp.reduce(log, axis=1).mean()

    ours = fisher_vector([rows], weights, means, sigmas**2).reshape(2, *means.shape)
    h = 1e-5
    for k, d in [(0, 0), (1, 3), (2, 4)]:
        bump = np.zeros_like(means)
        bump[k, d] = h
        by_mean = (likelihood(means + bump, sigmas) - likelihood(means - bump, sigmas)) / (2 * h)
        by_sigma = (likelihood(means, sigmas + bump) - likelihood(means, sigmas - bump)) / (2 * h)
        # the square root of the Fisher information: sqrt(w) / sigma and sqrt(2 w) / sigma
        assert ours[0, k, d] == pytest.approx(by_mean * sigmas[k, d] / np.sqrt(weights[k]), abs=1e-6)
        assert ours[1, k, d] == pytest.approx(by_sigma * sigmas[k, d] / np.sqrt(2 * weights[k]), abs=1e-6)


def test_one_gaussian_by_hand():
    vector = fisher_vector([np.array([[3.0]]), np.array([[1.0]])], np.ones(1), np.array([[1.0]]), np.array([[4.0]]))
    # standardised rows 1 and 0: mean 1/2; mean of squares minus one -1/2, over sqrt 2
    np.testing.assert_allclose(vector, [0.5, -0.5 / np.sqrt(2)])


def test_far_rows_stay_finite(mixture):
    gmm, _ = mixture
    vector = fisher_vector([np.full((2, 5), 1e6)], gmm.weights_, gmm.means_, gmm.covariances_)
    assert np.isfinite(vector).all()


def test_normalisation_by_hand():
    np.testing.assert_allclose(normalise(np.array([9.0, -16.0, 0.0])), np.array([3, -4, 0]) / 5)
    np.testing.assert_array_equal(normalise(np.zeros(4)), np.zeros(4))


# the codebook


def test_samples_are_drawn_from_all_files(files):
    whole = sample_descriptors(files, 10**6, seed=0)
    expected = np.concatenate([made(count, seed=i).descriptors for i, count in enumerate((120, 0, 7, 200))])
    np.testing.assert_allclose(whole, expected, atol=1e-3)
    some = sample_descriptors(files, 100, seed=0)
    rows = [int(np.abs(whole - row).sum(1).argmin()) for row in some]
    assert len(set(rows)) == 100 and rows == sorted(rows)
    np.testing.assert_array_equal(some, sample_descriptors(files, 100, seed=0))
    assert (some != sample_descriptors(files, 100, seed=1)).any()
    share = np.mean(
        [
            (np.array([np.abs(whole - row).sum(1).argmin() for row in sample_descriptors(files, 50, seed)]) < 127).mean()
            for seed in range(20)
        ]
    )
    assert share == pytest.approx(127 / 327, abs=0.06)


def test_samples_are_drawn_from_stored_samples(tmp_path):
    """Counts follow all trajectories of a video, rows come from the stored ones, none twice; few stored rows: all of them."""
    counts, paths = (40_000, 600, 100), [tmp_path / f"{i}.npz" for i in range(3)]
    for i, (count, path) in enumerate(zip(counts, paths)):
        save_sample(path, [made(count, seed=i).descriptors], 426)
    stored = [load_descriptors(path).astype(np.float32) for path in paths]
    many = len(stored[0])
    assert 690 < many < 910 and list(map(len, stored[1:])) == [256, 100]  # four deviations about 800
    place = {row.tobytes(): i for i, rows in enumerate(stored) for row in rows}

    def drawn(count, seed):
        rows = [row.tobytes() for row in sample_descriptors(paths, count, seed)]
        assert len(set(rows)) == len(rows)
        return np.bincount([place[row] for row in rows], minlength=3)

    mean = np.mean([drawn(500, seed) for seed in range(10)], axis=0)
    np.testing.assert_allclose(mean, np.multiply(counts, 500 / sum(counts)), atol=2.5)
    assert drawn(500, 0).sum() == 500
    assert drawn(10_000, 0)[0] == many and drawn(10**6, 0).tolist() == [many, 256, 100]
    np.testing.assert_array_equal(sample_descriptors(paths, 500, 3), sample_descriptors(paths, 500, 3))
    assert (sample_descriptors(paths, 500, 3)[0] != sample_descriptors(paths, 500, 4)[0]).any()


def test_codebook_shapes_files_and_determinism(files, codebook, tmp_path):
    sizes = {name: (part.stop - part.start) // 2 for name, part in descriptor_layout().items()}
    assert {name: mixture.means.shape for name, mixture in codebook.mixtures.items()} == {
        name: (4, size) for name, size in sizes.items()
    }
    assert codebook.size == 2 * 4 * 213 and CodebookSettings().gaussians * 2 * 213 == 109_056
    for mixture in codebook.mixtures.values():
        np.testing.assert_allclose(mixture.axes @ mixture.axes.T, np.eye(len(mixture.axes)), atol=1e-9)
        assert mixture.weights.sum() == pytest.approx(1) and (mixture.variances > 0).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        again = fit_codebook(files, SMALL, seed=1)
    codebook.save(tmp_path / "a.npz"), again.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = Codebook.load(tmp_path / "a.npz", gaussians=4)
    assert loaded.columns == 426 and loaded.gaussians == 4
    np.testing.assert_array_equal(encode(made(30), loaded), encode(made(30), codebook))
    with pytest.raises(ReproError, match="another K.*4 Gaussians.*256"):
        Codebook.load(tmp_path / "a.npz", gaussians=256)


def test_projection_is_principal_components(codebook, files):
    from sklearn.decomposition import PCA

    rows = sample_descriptors(files, SMALL.samples, 1)[:, descriptor_layout()["hof"]].astype(np.float64)
    mixture = codebook.mixtures["hof"]
    oracle = PCA(54, svd_solver="full").fit_transform(rows)
    np.testing.assert_allclose(np.abs(mixture.project(rows)), np.abs(oracle), atol=1e-8)


def test_codebooks_that_cannot_be(files, tmp_path):
    with pytest.raises(ReproError, match="327 for 400 Gaussians"):
        fit_codebook(files, CodebookSettings(gaussians=400))
    with pytest.raises(ReproError, match="principal components of hog"):
        fit_mixtures(made(40).descriptors, CodebookSettings(gaussians=2), 0)
    with pytest.raises(ReproError, match="no trajectories"):
        fit_codebook(files[1:2], SMALL)
    save_features(tmp_path / "short.npz", made(5, columns=414))
    with pytest.raises(ReproError, match=r"different layouts.*\[414, 426\]"):
        fit_codebook([files[0], tmp_path / "short.npz"], SMALL)
    with pytest.raises(ReproError, match="another kind"):
        Codebook.load(files[0])


# encoding


def test_encoding_normalises_every_type(files, codebook):
    vector = encode(files[3], codebook)
    assert vector.shape == (codebook.size,) and vector.dtype == np.float32
    begin = 0
    for mixture in codebook.mixtures.values():
        end = begin + 2 * mixture.means.size
        assert np.linalg.norm(vector[begin:end]) == pytest.approx(1, abs=1e-5)
        begin = end


def test_encoding_streams(codebook):
    rows = made(CHUNK + 10)
    hog = codebook.mixtures["hog"]
    values = hog.project(rows.descriptors[:, descriptor_layout()["hog"]])
    whole = normalise(fisher_vector([values], hog.weights, hog.means, hog.variances))
    start = 2 * codebook.mixtures["trajectory"].means.size
    np.testing.assert_allclose(encode(rows, codebook)[start : start + whole.size], whole, atol=1e-5)


def test_batches_and_codebooks_side_by_side_change_nothing(codebook, files):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        other = fit_codebook(files, SMALL, seed=2)
    rows = made(2 * CHUNK + 10).descriptors
    batches = np.split(rows, [0, 1, 1, 900, CHUNK + 3, 2 * CHUNK])
    for found, expected in zip(encode_batches(batches, [codebook, other]), (codebook, other)):
        assert found.tobytes() == encode(made(2 * CHUNK + 10), expected).tobytes()
    assert [not found.any() for found in encode_batches([], [codebook, other])] == [True, True]
    with pytest.raises(ReproError, match="another layout.*v.npz.*414 columns"):
        encode_batches([rows[:0, :414]], [codebook], "v.npz")


def test_no_trajectories_encode_to_zero(files, codebook):
    with pytest.warns(NoTrajectories, match="1.npz"):
        vector = encode(files[1], codebook)
    np.testing.assert_array_equal(vector, np.zeros(codebook.size))


def test_features_of_another_layout(codebook):
    with pytest.raises(ReproError, match="another layout.*414 columns.*426"):
        encode(made(5, columns=414), codebook)


# the SVM


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    vectors = (rng.normal(size=(60, 40)) + 0.8 * np.eye(3, 40)[labels] * 3).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels


@pytest.mark.parametrize("C", [100.0, 0.5])
def test_svm_is_one_vs_rest_libsvm(clusters, C):
    vectors, labels = clusters
    scores = decision_function(train_svm(vectors, labels, 3, C), vectors)
    oracle = np.stack(
        [
            SVC(C=C, kernel="linear", tol=1e-6)
            .fit(vectors.astype(float), labels == label)
            .decision_function(vectors.astype(float))
            for label in range(3)
        ],
        axis=1,
    )
    np.testing.assert_allclose(scores, oracle, atol=5e-3)
    assert scores.dtype == np.float32 and (scores.argmax(1) == labels).mean() > 0.9


def test_svm_scores_a_zero_vector_by_its_bias(clusters):
    svm = train_svm(*clusters, 3)
    np.testing.assert_allclose(decision_function(svm, np.zeros((1, 40))), svm.bias[None], rtol=1e-6)


def test_svm_is_deterministic(clusters):
    first, second = (train_svm(*clusters, 3) for _ in range(2))
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.bias, second.bias)


def test_svm_bad_input(clusters):
    vectors, labels = clusters
    broken = vectors.copy()
    broken[7, 3] = np.nan
    svm = train_svm(vectors, labels, 3)
    with pytest.raises(ReproError, match="1 of 60, the first is row 7"):
        train_svm(broken, labels, 3)
    with pytest.raises(ReproError, match="not finite"):
        decision_function(svm, broken)
    with pytest.raises(ReproError, match=r"without training videos.*\[3\]"):
        train_svm(vectors, labels, 4)
    with pytest.raises(ReproError, match="out of range"):
        train_svm(vectors, labels, 2)
    with pytest.raises(ReproError, match="do not fit"):
        train_svm(vectors, labels[:9], 3)
    with pytest.raises(ReproError, match="trained on 40"):
        decision_function(svm, vectors[:, :39])


def test_mixture_fields_are_all_saved():
    assert set(Mixture.__dataclass_fields__) == {"centre", "axes", "weights", "means", "variances"}
