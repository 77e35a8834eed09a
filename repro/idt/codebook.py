"""Codebook of descriptors: PCA and a diagonal Gaussian mixture per type, fitted on sampled descriptors."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from repro.errors import ReproError

from .arrays import read_arrays, write_arrays
from .features import count_features, load_descriptors, track_length
from .settings import descriptor_layout

FORMAT = "repro trajectory codebook 1"


@dataclass(frozen=True)
class Mixture:
    """PCA of D columns to d and a mixture of K diagonal Gaussians; float64.

    centre: (D,); axes: (d, D) orthonormal rows; weights: (K,) with sum 1; means, variances: (K, d).
    """

    centre: np.ndarray
    axes: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    def project(self, descriptors):
        """(n, D) descriptors to (n, d) float64."""
        return (descriptors.astype(np.float64) - self.centre) @ self.axes.T


@dataclass(frozen=True)
class Codebook:
    """A `Mixture` per descriptor type; `columns` is the width of the descriptor rows it was fitted on (426)."""

    columns: int
    mixtures: dict[str, Mixture]

    @property
    def gaussians(self):
        return len(next(iter(self.mixtures.values())).weights)

    @property
    def size(self):
        """Length of a Fisher vector: 2 K d over all types (109,056 by default)."""
        return sum(2 * mixture.means.size for mixture in self.mixtures.values())

    def save(self, path, **origin):
        """Write an array file (.npz, no pickles, deterministic bytes); ``origin``: what it was fitted on, for `load` to check."""
        arrays = {f"{name}.{field}": array for name, mixture in self.mixtures.items() for field, array in vars(mixture).items()}
        header = {"format": FORMAT, "columns": self.columns, "types": list(self.mixtures), "gaussians": self.gaussians}
        write_arrays(path, header | {"origin": origin}, arrays)

    @staticmethod
    def load(path, gaussians=None, **origin):
        """Read a codebook. Raises ReproError: not one, of another K than `gaussians`, or fitted on something else than `origin`
        says: the training videos of one split are the test videos of another."""
        header, arrays = read_arrays(path, FORMAT)
        for key, value in origin.items():
            if header["origin"].get(key) != value:
                raise ReproError(
                    f"a codebook of another {key}",
                    path=path,
                    why=f"it says {header['origin'].get(key)}, this run is {value}",
                    fix="fit it again (`repro idt-codebook`)",
                )
        if gaussians is not None and header["gaussians"] != gaussians:
            raise ReproError(
                "a codebook of another K",
                path=path,
                why=f"it has {header['gaussians']} Gaussians, the settings ask for {gaussians}",
                fix="fit it again",
            )
        fields = Mixture.__dataclass_fields__
        try:
            mixtures = {name: Mixture(**{field: arrays[f"{name}.{field}"] for field in fields}) for name in header["types"]}
        except KeyError as error:
            raise ReproError("damaged codebook", path=path, why=f"no array {error}", fix="fit it again") from error
        return Codebook(header["columns"], mixtures)


def sample_descriptors(paths, count, seed):
    """Draw descriptor rows uniformly, without replacement, from all rows of several array files.

    Returns (n, columns) float32, n = count or all there are, in file order. Memory: the sample and one file. How many rows each
    video gives is drawn by how many it has; a file that holds a sample of them gives rows of that, all where it holds fewer.
    Raises ReproError: no rows at all, files of different layouts.
    """
    sizes = {path: count_features(path) for path in paths}
    columns = {size[1] for size in sizes.values()}
    if len(columns) > 1:
        raise ReproError(
            "the trajectory files have different layouts",
            why=f"{sorted(columns)} columns",
            fix="extract them all with the same settings",
        )
    rows = np.array([size[0] for size in sizes.values()], np.int64)
    total = int(rows.sum())
    if not total:
        raise ReproError("no trajectories to fit a codebook on", why=f"{len(sizes)} videos, none has any")
    rng = np.random.default_rng(seed)
    chosen = rng.choice(total, min(count, total), replace=False, shuffle=False)
    chosen.sort()
    ends = np.cumsum(rows)
    parts = []
    for path, begin, end in zip(sizes, ends - rows, ends):
        mine = chosen[np.searchsorted(chosen, begin) : np.searchsorted(chosen, end)] - begin
        if len(mine):
            stored = load_descriptors(path)
            if len(stored) < end - begin:
                mine = np.sort(rng.choice(len(stored), min(len(mine), len(stored)), replace=False))
            parts.append(stored[mine].astype(np.float32))
    return np.concatenate(parts)


def fit_codebook(paths, settings, seed=0):
    """Fit a codebook on the array files of the training videos; the same files, order and seed give the same codebook.

    Raises ReproError: fewer sampled descriptors than Gaussians, files of different layouts, no descriptors.
    """
    return fit_mixtures(sample_descriptors(paths, settings.samples, seed), settings, seed)


def fit_mixtures(descriptors, settings, seed):
    """Codebook from sampled descriptor rows (n, columns)."""
    columns = descriptors.shape[1]
    return Codebook(
        columns, {name: fit_mixture(descriptors, name, settings, seed) for name in descriptor_layout(track_length(columns))}
    )


def fit_mixture(descriptors, name, settings, seed):
    """Mixture of the descriptor type ``name``, from sampled rows of all types (n, columns)."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    if len(descriptors) < settings.gaussians:
        raise ReproError(
            "too few descriptors for the codebook",
            why=f"{len(descriptors)} for {settings.gaussians} Gaussians",
            fix="use more videos or fewer Gaussians",
        )
    values = descriptors[:, descriptor_layout(track_length(descriptors.shape[1]))[name]].astype(np.float64)
    size = max(int(values.shape[1] * settings.pca_share), 1)
    if len(values) < size:
        raise ReproError(
            "too few descriptors for the codebook",
            why=f"{len(values)} for {size} principal components of {name}",
            fix="use more videos",
        )
    pca = PCA(size, svd_solver="full").fit(values)
    projected = (values - pca.mean_) @ pca.components_.T
    weights, means, variances = _clusters(projected, settings.gaussians, seed)
    mixture = GaussianMixture(
        settings.gaussians,
        covariance_type="diag",
        max_iter=settings.iterations,
        tol=settings.tolerance,
        weights_init=weights,
        means_init=means,
        precisions_init=1 / variances,
    )
    mixture.fit(projected)
    return Mixture(pca.mean_, pca.components_, mixture.weights_, mixture.means_, mixture.covariances_)


def _clusters(values, count, seed):
    """Shares (K,), means and variances (K, d) of k-means clusters, from which expectation maximisation starts.

    K-means on mini-batches: on 256,000 descriptors of 48 dimensions 2 seconds of one core in place of the 53 that
    scikit-learn's mixture takes to start by itself, and the mixture ends at no lower likelihood.
    """
    from sklearn.cluster import MiniBatchKMeans

    labels = MiniBatchKMeans(count, batch_size=max(1024, 16 * count), n_init=1, random_state=seed).fit(values).labels_
    members = scipy.sparse.csr_array((np.ones(len(labels)), (labels, np.arange(len(labels)))), shape=(count, len(labels)))
    sizes = np.maximum(members.sum(1), 1.0)  # an empty cluster starts at zero, without weight to speak of
    means = members @ values / sizes[:, None]
    variances = members @ np.square(values) / sizes[:, None] - np.square(means)
    return sizes / sizes.sum(), means, np.maximum(variances, 0.0) + 1e-6
