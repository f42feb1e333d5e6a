from nlptl.base import clock


def test_the_clock_never_goes_back():
    first, second = clock.seconds(), clock.seconds()
    assert second >= first
