import numpy as np

from nlptl.base.streams import Altered, Stream


def test_a_stream_takes_as_many_rows_as_the_labelled_rows_and_hides_nothing():
    stream = Stream([1, 2, 3])
    assert (stream.ratio, stream.hides, stream.follows) == (1.0, None, None)


def test_altered_windows_are_values():
    altered = Altered([1, 4, 2], np.array([1]))
    assert altered.ids == [1, 4, 2] and altered.hidden.tolist() == [1]
