from nlptl.base.suggestions import suggest


def test_the_nearest_name_comes_first():
    assert suggest("logistc", ["logistic", "mlp"]).startswith("Did you mean 'logistic'?")


def test_nothing_near_lists_what_there_is():
    assert suggest("xyz", ["b", "a"]) == "Known: a, b."
