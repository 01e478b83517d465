"""Identification: whose image of a gallery is closest to a probe."""

import numpy as np


def rank1(
    probes: np.ndarray,
    probe_identities: np.ndarray,
    gallery: np.ndarray,
    gallery_identities: np.ndarray,
    chunk: int = 1024,
) -> float:
    """Returns the share of probes whose closest gallery embedding is of the same person.

    Args:
        probes: float [p, size].
        probe_identities: int [p].
        gallery: float [g, size].
        gallery_identities: int [g].
        chunk: Probes compared at once: a float32 matrix [chunk, g] is in memory.

    Raises:
        ValueError: There is no probe, or nobody in the gallery.
    """
    if not len(probes) or not len(gallery):
        raise ValueError(
            "expected at least one probe and one gallery image; "
            f"got {len(probes)} probes and {len(gallery)} gallery images"
        )
    towards, right = _normalised(gallery).T, 0
    for start in range(0, len(probes), chunk):
        closest = np.argmax(_normalised(probes[start : start + chunk]) @ towards, axis=1)
        identities = np.asarray(gallery_identities)[closest]
        right += int(np.sum(identities == np.asarray(probe_identities)[start : start + chunk]))
    return right / len(probes)


def _normalised(embeddings: np.ndarray) -> np.ndarray:
    embeddings = np.asarray(embeddings, np.float32)
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.maximum(norms, np.finfo(np.float32).tiny)
