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
    precision = 1 / variances
    constant = np.log(weights) - 0.5 * (np.log(variances) + means**2 * precision).sum(axis=1)
    count, zeroth = 0, np.zeros(len(weights))
    first, second = np.zeros_like(means), np.zeros_like(means)
    for rows in batches:
        log = constant + rows @ (means * precision).T - 0.5 * (rows**2 @ precision.T)  # (n, K)
        log -= log.max(axis=1, keepdims=True)
        share = np.exp(log)
        share /= share.sum(axis=1, keepdims=True)
        count += len(rows)
        zeroth += share.sum(axis=0)
        first += share.T @ rows
        second += share.T @ rows**2
    if not count:
        return np.zeros(2 * means.size)
    mass = zeroth[:, None]
    by_mean = (first - mass * means) / np.sqrt(variances) / np.sqrt(weights)[:, None]
    by_sigma = ((second - 2 * means * first + mass * means**2) * precision - mass) / np.sqrt(2 * weights)[:, None]
    return np.concatenate([by_mean.ravel(), by_sigma.ravel()]) / count


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
    descriptors = trajectories.descriptors
    if descriptors.shape[1] != codebook.columns:
        raise ReproError(
            "features of another layout than the codebook's",
            path=path,
            why=f"{descriptors.shape[1]} columns, the codebook has {codebook.columns}",
            fix="extract and fit with the same settings",
        )
    if not len(trajectories):
        warnings.warn(f"no trajectories{f' in {path}' if path else ''}: zero Fisher vector", NoTrajectories, stacklevel=2)
    layout = descriptor_layout(track_length(codebook.columns))
    parts = []
    for name, mixture in codebook.mixtures.items():
        columns = descriptors[:, layout[name]]
        batches = (mixture.project(columns[i : i + CHUNK]) for i in range(0, len(columns), CHUNK))
        parts.append(normalise(fisher_vector(batches, mixture.weights, mixture.means, mixture.variances)))
    return np.concatenate(parts).astype(np.float32)
