"""The help page of the package."""

import re

import nlptl


def test_the_help_begins_with_a_classifier_and_names_every_public_name():
    start, groups = nlptl.__doc__.split("Models: ")
    assert "TextClassifier().fit(" in start
    names = re.findall(r"(\w+)[,.]", groups.split("Nothing heavy")[0])
    assert sorted(names) == sorted(nlptl.__all__)
