"""Files inside installed packages: what is said of one that is missing or changed."""

import pytest

from datamodules.images.photographs import PHOTOGRAPHS
from datamodules.sources.packages import packaged_file


def test_packaged_file_names_what_is_missing_or_changed() -> None:
    with pytest.raises(FileNotFoundError, match="'no-such-package', which carries a/b, is not installed"):
        packaged_file("no-such-package", "a/b", "sha256:0")
    with pytest.raises(FileNotFoundError, match=r"no-file\.png: expected a data file of package 'scikit-image'"):
        packaged_file("scikit-image", "skimage/data/no-file.png", "sha256:0")
    name, digits = PHOTOGRAPHS["coins"]
    changed = "0" * len(digits)
    with pytest.raises(ValueError, match=rf"coins\.png: expected sha256:{changed}, got sha256:{digits}"):
        packaged_file("scikit-image", f"skimage/data/{name}", f"sha256:{changed}")
