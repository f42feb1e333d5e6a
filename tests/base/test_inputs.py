from typing import get_args, get_origin

from nlptl.base.inputs import JsonObject, LabelsLike, TextsLike


def test_inputs_are_iterables_and_json_objects_have_names():
    assert issubclass(list, get_origin(TextsLike)) and issubclass(list, get_origin(LabelsLike))
    assert get_args(JsonObject)[0] is str
