"""Identification: whose image of a gallery is closest to a probe."""

from dataclasses import dataclass

import numpy as np

from kfer.metrics.bootstrap import Interval, share_interval
from kfer.metrics.verification import roc, threshold_at_far


@dataclass(frozen=True)
class OpenSet:
    """How people are identified where some probes show nobody of the gallery.

    Attributes:
        threshold: The similarity from which on the closest image is taken for the probe's person.
        true_positive_rate: The share of probes of people in the gallery whose closest image is theirs and
            at least so similar (TPIR at rank 1), with its exact interval.
        false_positive_rate: The share of the other probes that are taken for somebody (FPIR).
    """

    threshold: float
    true_positive_rate: Interval
    false_positive_rate: Interval


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
    _, identities = closest(probes, gallery, gallery_identities, chunk)
    return float(np.mean(identities == np.asarray(probe_identities)))


def closest(
    probes: np.ndarray, gallery: np.ndarray, gallery_identities: np.ndarray, chunk: int = 1024
) -> tuple[np.ndarray, np.ndarray]:
    """Returns how similar each probe's closest gallery embedding is, float32 [p], and whose it is, [p].

    Args:
        probes: float [p, size].
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
    towards, similarities, places = _normalised(gallery).T, [], []
    for start in range(0, len(probes), chunk):
        every = _normalised(probes[start : start + chunk]) @ towards
        similarities.append(every.max(axis=1))
        places.append(every.argmax(axis=1))
    return np.concatenate(similarities), np.asarray(gallery_identities)[np.concatenate(places)]


def open_set(
    similarities: np.ndarray, right: np.ndarray, strangers: np.ndarray, false_positive_rate: float
) -> OpenSet:
    """Returns how many people are identified where few strangers may be.

    Args:
        similarities: float [p], of probes of people in the gallery to their `closest` image.
        right: bool [p], whether that image is of the probe's person.
        strangers: float [s], the same similarity of probes of people who are not in the gallery.
        false_positive_rate: Largest share of strangers that may be taken for somebody, in [0, 1].

    Returns:
        The rates at the lowest threshold that keeps to it.

    Raises:
        ValueError: There is no probe of either kind, a similarity is not finite, or the rate is not in
            [0, 1].
    """
    every = np.concatenate([similarities, strangers])
    known = np.arange(len(every)) < len(similarities)
    threshold = threshold_at_far(roc(every, known), false_positive_rate)
    identified = np.asarray(right, bool) & (np.asarray(similarities) >= threshold)
    return OpenSet(
        threshold,
        share_interval(int(identified.sum()), len(identified)),
        share_interval(int((np.asarray(strangers) >= threshold).sum()), len(strangers)),
    )


def _normalised(embeddings: np.ndarray) -> np.ndarray:
    embeddings = np.asarray(embeddings, np.float32)
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.maximum(norms, np.finfo(np.float32).tiny)
