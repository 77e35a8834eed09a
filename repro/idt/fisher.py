"""Fisher vectors (Perronnin, Sanchez & Mensink, ECCV 2010) of a video's descriptors."""

import warnings

import numpy as np

from repro.errors import ReproError

from .features import NoTrajectories, Trajectories, load_features, track_length
from .settings import descriptor_layout

CHUNK = 4096  # rows; bounds the memory at CHUNK x K whatever the video holds


def fisher_vector(batches, weights, means, variances):
    """Gradient of the mean log-likelihood with respect to means and standard deviations, before normalisation.

    batches: iterable of (n, d) arrays; weights: (K,); means, variances: (K, d). Returns (2 K d,) float64, the K x d mean
    part first. Zero without rows. With responsibilities g, sums over rows x, averaged over all N of them:
        mean part  sum g (x - mu) / sigma / sqrt(w),   sigma part  sum g ((x - mu)^2 / sigma^2 - 1) / sqrt(2 w)
    """
    sums = _Sums(weights, means, variances)
    for rows in batches:
        sums.add(rows)
    return sums.vector()


class _Sums:
    """What a Fisher vector needs to know of the rows so far."""

    def __init__(self, weights, means, variances):
        self.weights, self.means, self.variances, self.precision = weights, means, variances, 1 / variances
        self.constant = np.log(weights) - 0.5 * (np.log(variances) + means**2 * self.precision).sum(axis=1)
        self.count, self.zeroth = 0, np.zeros(len(weights))
        self.first, self.second = np.zeros_like(means), np.zeros_like(means)

    def add(self, rows):
        log = self.constant + rows @ (self.means * self.precision).T - 0.5 * (rows**2 @ self.precision.T)  # (n, K)
        log -= log.max(axis=1, keepdims=True)
        share = np.exp(log)
        share /= share.sum(axis=1, keepdims=True)
        self.count += len(rows)
        self.zeroth += share.sum(axis=0)
        self.first += share.T @ rows
        self.second += share.T @ rows**2

    def vector(self):
        means, weights = self.means, self.weights[:, None]
        if not self.count:
            return np.zeros(2 * means.size)
        mass = self.zeroth[:, None]
        by_mean = (self.first - mass * means) / np.sqrt(self.variances) / np.sqrt(weights)
        by_sigma = ((self.second - 2 * means * self.first + mass * means**2) * self.precision - mass) / np.sqrt(2 * weights)
        return np.concatenate([by_mean.ravel(), by_sigma.ravel()]) / self.count


def normalise(vector):
    """Signed square root, then division by the Euclidean norm; a zero vector stays zero."""
    rooted = np.sign(vector) * np.sqrt(np.abs(vector))
    norm = np.linalg.norm(rooted)
    return rooted / norm if norm > 0 else rooted


def encode(features, codebook):
    """Fisher vector (codebook.size,) float32 of one video: the normalised vectors of all descriptor types, one after another.

    features: `Trajectories` or the path of an array file. A video without trajectories gives zeros and a warning.
    Raises ReproError for features of another layout than the codebook's.
    """
    trajectories = features if isinstance(features, Trajectories) else load_features(features)
    path = None if isinstance(features, Trajectories) else features
    if not len(trajectories):
        warnings.warn(f"no trajectories{f' in {path}' if path else ''}: zero Fisher vector", NoTrajectories, stacklevel=2)
    return encode_batches([trajectories.descriptors], [codebook], path)[0]


def encode_batches(batches, codebooks, path=None):
    """Fisher vectors of one video under several codebooks, as `encode` gives them, from descriptor rows read once.

    batches: iterable of (n, columns) arrays, of any number of rows each: sums are over the same rows whatever the batches,
    and one batch at a time is in memory. ``path``: named in errors.
    """
    sums = [
        {name: _Sums(mixture.weights, mixture.means, mixture.variances) for name, mixture in codebook.mixtures.items()}
        for codebook in codebooks
    ]
    for rows in _chunks(_checked(batches, codebooks, path)):
        layout = descriptor_layout(track_length(rows.shape[1]))
        for codebook, own in zip(codebooks, sums):
            for name, mixture in codebook.mixtures.items():
                own[name].add(mixture.project(rows[:, layout[name]]))
    return [np.concatenate([normalise(each.vector()) for each in own.values()]).astype(np.float32) for own in sums]


def _checked(batches, codebooks, path):
    for rows in batches:
        for codebook in codebooks:
            if rows.shape[1] != codebook.columns:
                raise ReproError(
                    "features of another layout than the codebook's",
                    path=path,
                    why=f"{rows.shape[1]} columns, the codebook has {codebook.columns}",
                    fix="extract and fit with the same settings",
                )
        yield rows


def _chunks(batches):
    """The same rows in arrays of CHUNK each, the last one shorter: the order of additions is that of the rows."""
    held, count = [], 0
    for rows in batches:
        while len(rows):
            held.append(rows[: CHUNK - count])
            rows, count = rows[len(held[-1]) :], count + len(held[-1])
            if count == CHUNK:
                yield np.concatenate(held)
                held, count = [], 0
    if held:
        yield np.concatenate(held)
