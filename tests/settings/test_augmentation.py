import dataclasses

import pytest

from kfer.settings.augmentation import FACES, POLICY_OPERATIONS, AugmentationSettings

STILL = AugmentationSettings(0, 0, 0, 0, 0, 0, 0)


def test_strength_multiplies_ranges_and_probabilities():
    settings = AugmentationSettings(flip=0.2, shift=0.1, rotation=0.3, blur=0.01, erase=0.4, strength=2)
    scaled = settings.scaled()
    assert (scaled.flip, scaled.shift, scaled.rotation) == (0.4, 0.2, 0.6)
    assert (scaled.blur, scaled.erase, scaled.strength) == (0.02, 0.8, 1.0)
    assert scaled.scaled() == scaled


def test_strength_leaves_what_is_neither_range_nor_probability():
    settings = AugmentationSettings(
        policy_operations=2, policy=("rotation",), mixup=0.5, mix_tasks=("expression",), strength=0.5
    )
    scaled = settings.scaled()
    assert (scaled.policy_operations, scaled.policy, scaled.mix_tasks) == (
        2,
        ("rotation",),
        ("expression",),
    )
    assert (scaled.mixup_alpha, scaled.cutmix_alpha) == (0.2, 1.0)
    assert (scaled.policy_strength, scaled.mixup) == (0.15, 0.25)


def test_a_strength_of_one_changes_nothing():
    settings = dataclasses.replace(FACES, mixup=0.3, cutmix=0.3, policy_operations=2)
    assert settings.scaled() == settings


def test_strength_keeps_within_bounds_but_never_lowers_what_was_set():
    settings = AugmentationSettings(flip=0.5, shift=0.95, hue=0.3, jpeg=0.9, mixup=0.6, cutmix=0.2)
    scaled = dataclasses.replace(settings, strength=10).scaled()
    assert (scaled.flip, scaled.shift, scaled.hue, scaled.jpeg) == (0.5, 0.95, 0.5, 0.95)
    assert (scaled.mixup, scaled.cutmix) == (pytest.approx(0.75), pytest.approx(0.25))
    assert dataclasses.replace(settings, flip=1.0, strength=3).scaled().flip == 1.0


def test_active_names_what_changes_images():
    assert STILL.active() == {}
    assert dataclasses.replace(STILL, policy_operations=2).active() == {"policy_strength": 0.3}
    assert dataclasses.replace(STILL, contrast=0.2, cutmix=0.1, strength=0.5).active() == {
        "contrast": 0.1,
        "cutmix": 0.05,
    }


def test_a_strength_of_zero_turns_everything_off():
    everything = dataclasses.replace(FACES, policy_operations=3, mixup=0.5, cutmix=0.5, strength=0)
    assert everything.active() == {}
    assert not everything.mixes()


def test_only_mixing_mixes():
    assert not FACES.mixes()
    assert AugmentationSettings(mixup=0.1).mixes()
    assert AugmentationSettings(cutmix=0.1).mixes()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hue": 0.6}, r"hue must be in \[0, 0.5\]; got 0.6"),
        ({"jpeg": 1.0}, r"jpeg must be in \[0, 1\); got 1.0"),
        ({"noise": -0.1}, r"noise must be in \[0, 1\]"),
        ({"strength": -1}, "strength must be at least 0"),
        ({"mixup_alpha": 0}, "mixup_alpha must be above 0"),
        ({"mixup": 0.7, "cutmix": 0.5}, r"mixup \+ cutmix must be at most 1"),
        ({"policy": ("invert",)}, "policy must be among identity, autocontrast.*; got 'invert'"),
        ({"policy": ()}, "policy must be at least one operation"),
    ],
)
def test_what_is_not_allowed_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        AugmentationSettings(**values)


def test_the_text_of_policy_names_every_operation():
    text = " ".join((AugmentationSettings.__doc__ or "").split())
    assert ", ".join(POLICY_OPERATIONS) in text
