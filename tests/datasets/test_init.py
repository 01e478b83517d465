import errno
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from kfer import datasets


class Digits(tfds.core.GeneratorBasedBuilder):
    """Ten numbers; `failure` is raised after the fifth."""

    VERSION = tfds.core.Version("1.0.0")
    failure: BaseException | None = None

    def _info(self):
        features = tfds.features.FeaturesDict({"digit": np.int64})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for digit in range(10):
            if digit == 5 and self.failure is not None:
                raise self.failure
            yield digit, {"digit": digit}


class ManualDigits(Digits):
    """As above, from a file that the user gets."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = "Get digits.zip from example.org."


def test_kfers_own_builder_by_file_name(tmp_path):
    builder = datasets.builder("fer2013", tmp_path)
    assert builder.info.full_name == "kfer_fer2013/seven_class/1.1.0"
    assert Path(builder.data_dir).is_relative_to(tmp_path)


def test_config_after_a_slash(tmp_path):
    builder = datasets.builder("fer2013/six_class", tmp_path)
    assert builder.builder_config.name == "six_class"


def test_unknown_config_lists_the_configs_and_the_nearest(tmp_path):
    with pytest.raises(ValueError, match=r"seven_class, six_class, .* mean 'six_class'"):
        datasets.builder("fer2013/six_clas", tmp_path)


def test_other_names_are_tfds_own(tmp_path):
    assert datasets.builder("mnist", tmp_path).name == "mnist"
    assert datasets.builder("tfds:lfw", tmp_path).name == "lfw"
    assert datasets.builder("lfw", tmp_path).name == "kfer_lfw"


@pytest.mark.parametrize("name", ["fer2031", "archives", "fer2013.x", "../fer2013"])
def test_unknown_name_lists_kfers_own_and_the_nearest(tmp_path, name):
    with pytest.raises(ValueError, match=f"is '.*{name[-5:]}.*expected one of .*fer2013, .*lfw"):
        datasets.builder(name, tmp_path)


def test_nearest_name_is_suggested(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'fer2013'"):
        datasets.builder("fer2031", tmp_path)


def test_prepare_generates_once(tmp_path):
    builder = Digits(data_dir=str(tmp_path))
    datasets.prepare(builder, "")
    assert builder.info.splits["train"].num_examples == 10
    again = Digits(data_dir=str(tmp_path))
    again.failure = AssertionError("generated again")
    datasets.prepare(again, "")


def test_failed_run_leaves_nothing_that_is_taken_for_whole(tmp_path):
    builder = Digits(data_dir=str(tmp_path))
    builder.failure = ValueError("broken")
    with pytest.raises(ValueError, match="broken"):
        datasets.prepare(builder, "")
    assert not Path(builder.data_dir).exists()
    builder.failure = None
    datasets.prepare(builder, "")
    assert builder.info.splits["train"].num_examples == 10


def test_incomplete_folder_of_a_killed_run_is_ignored(tmp_path):
    other = Digits(data_dir=str(tmp_path / "other"))
    datasets.prepare(other, "")
    builder = Digits(data_dir=str(tmp_path))
    target = Path(builder.data_dir)
    shutil.copytree(other.data_dir, target.parent / f"incomplete.ABC123_{target.name}")
    assert not Digits(data_dir=str(tmp_path)).is_prepared()
    datasets.prepare(builder, "")
    assert target.is_dir()


@pytest.mark.parametrize("lost", ["dataset_info.json", "*.tfrecord*"])
def test_folder_that_lacks_files_is_made_again(tmp_path, lost):
    builder = Digits(data_dir=str(tmp_path))
    datasets.prepare(builder, "")
    for path in Path(builder.data_dir).glob(lost):
        path.unlink()
    again = Digits(data_dir=str(tmp_path))
    datasets.prepare(again, "")
    assert len(list(again.as_dataset(split="train"))) == 10


@pytest.mark.parametrize("folder", ["", "missing"])
def test_missing_download_folder_says_what_to_get(tmp_path, folder):
    builder = ManualDigits(data_dir=str(tmp_path))
    with pytest.raises(FileNotFoundError, match=rf"'{folder}' is not there\. Get digits\.zip from"):
        datasets.prepare(builder, folder)


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "x; No space left on device"),
    ],
)
def test_full_disk_says_how_much_is_free_and_needed(tmp_path, failure):
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / "digits.zip").write_bytes(bytes(3_000_000))
    builder = ManualDigits(data_dir=str(tmp_path / "prepared"))
    builder.failure = failure
    with pytest.raises(
        OSError,
        match=r"is full: .*; [\d,]+ MB are free, manual_digits/1\.0\.0 needs about 3 MB",
    ) as caught:
        datasets.prepare(builder, downloads)
    assert caught.value.errno == errno.ENOSPC
    assert not Path(builder.data_dir).exists()
