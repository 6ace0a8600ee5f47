"""A label is a short file, and a file that says none is refused in one line."""

import shutil

import pytest

from ml.errors import InvalidLabel
from ml.labels import FOLDER, read_labels


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("days: 7", "days: 0", "purchase.yml: days is 0; it is a whole number from 1"),
        ("days: 7", "hours: 7", "purchase.yml lacks days"),
        ("outcome: order", "outcome: orders", "'orders' is none of: order, no_order"),
        ("days: 7", "days: 7\nwindow: 7", "purchase.yml has 'window', which no label has"),
        ("column: p", "column: x; drop p", "is no name; use a-z, 0-9 and _"),
        ("days: 7", "days: [", "purchase.yml is no YAML"),
        ("purchased_within_7", "churned_within_30", "another label has the column"),
    ],
)
def test_a_file_that_says_no_label_is_refused(tmp_path, before, after, complaint):
    folder = shutil.copytree(FOLDER, tmp_path / "labels")
    path = folder / "purchase.yml"
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(InvalidLabel, match=complaint):
        read_labels(folder)
