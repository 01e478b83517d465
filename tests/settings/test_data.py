import pytest

from kfer.settings import DataSettings, SourceSettings

PAIRED = SourceSettings("lfw", pairs=("view1_test",), pairs_dataset="lfw/pairs")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"frames": -1}, "frames"),
        ({"frames": 4, "frame_sampling": "first"}, "frame_sampling"),
        ({"frames": 4, "sources": (PAIRED,)}, "0 where sources have pairs of images"),
        ({"sound_seconds": 1.0}, "at least 1 where sound is heard"),
        ({"frames": 4, "sound_seconds": 1.0, "frame_sampling": "random"}, "uniform or dense with sound"),
        ({"frames": 4, "sound_seconds": -1.0}, "sound_seconds"),
    ],
)
def test_clips_that_make_no_sense_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        DataSettings(**arguments)


def test_seconds_of_sound_are_samples():
    assert DataSettings(frames=4, sound_seconds=0.5).num_samples == 8000
    assert DataSettings().num_samples == 0


def test_a_source_may_be_left_out_where_another_has_a_weight():
    sources = (
        SourceSettings("fer2013", weight=1),
        SourceSettings("lfw", weight=0),
        SourceSettings("orl"),
    )
    assert [source.weight for source in DataSettings(sources).sources] == [1, 0, None]
