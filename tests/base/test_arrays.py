import numpy as np

from nlptl.base import arrays


def test_the_aliases_name_numpy_arrays():
    for alias in (arrays.FloatArray, arrays.IntArray, arrays.AnyArray):
        assert alias.__origin__ is np.ndarray
