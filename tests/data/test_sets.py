"""Data sets by their names."""

from refvid.data.catalogue import SETS
from refvid.data.sets import OPENERS


def test_every_data_set_has_its_own_opener() -> None:
    assert OPENERS.keys() == SETS.keys()
    assert len(set(OPENERS.values())) == len(SETS)
