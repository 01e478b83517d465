import numpy as np

from kfer.datasets.drawing import contact_sheet


def test_rows_are_people_and_columns_expressions():
    sheet = contact_sheet([1, 2], size=32)
    # 24 for the titles, then 32 and a gap of 4 for each of 2 people and 7 expressions.
    assert sheet.shape == (24 + 2 * 36, 4 + 7 * 36, 3)
    titles = sheet[:24]
    assert (titles == 255).mean() > 0.5
    assert titles.min() < 128
    first, second = sheet[24:56, 4:36], sheet[60:92, 4:36]
    assert np.abs(first.astype(int) - second).mean() > 5
