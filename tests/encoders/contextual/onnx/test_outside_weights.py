import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nlptl.base.errors import IntegrityError
from nlptl.encoders.contextual.onnx.outside_weights import reads_other_files
from nlptl.encoders.contextual.onnx.session import open_session


def tensor(*, outside, name="w"):
    made = numpy_helper.from_array(np.ones((2, 2), np.float32), name)
    if outside:
        made.ClearField("raw_data")
        made.data_location = TensorProto.EXTERNAL
        made.external_data.add(key="location", value="../secret")
    return made


def graph_of(nodes, weights=(), sparse=()):
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])
    made = helper.make_graph(nodes, "g", [], [output], initializer=list(weights))
    made.sparse_initializer.extend(sparse)
    return made


def model_of(graph):
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def constant(outside):
    return helper.make_node("Constant", [], ["y"], value=tensor(outside=outside))


def as_weight(outside):
    node = helper.make_node("Identity", ["w"], ["y"])
    return model_of(graph_of([node], [tensor(outside=outside)]))


def in_a_node(outside):
    return model_of(graph_of([constant(outside)]))


def in_a_branch(outside):
    true = numpy_helper.from_array(np.array(True), "c")
    branches = {
        "then_branch": graph_of([constant(outside)]),
        "else_branch": graph_of([constant(0)]),
    }
    return model_of(graph_of([helper.make_node("If", ["c"], ["y"], **branches)], [true]))


def sparse_of(outside, part="values"):
    return onnx.SparseTensorProto(**{part: tensor(outside=outside)}, dims=[2, 2])


def with_attribute(value):
    node = constant(0)
    node.attribute.append(helper.make_attribute("more", value))
    return model_of(graph_of([node]))


def in_a_list(outside):
    return with_attribute([tensor(outside=outside)])


def in_a_list_of_graphs(outside):
    return with_attribute([graph_of([constant(outside)])])


def in_a_sparse_attribute(outside):
    return with_attribute(sparse_of(outside))


def in_sparse_attributes(outside):
    return with_attribute([sparse_of(outside)])


def sparse(outside):
    return model_of(graph_of([constant(0)], sparse=[sparse_of(outside)]))


def in_sparse_indices(outside):
    return model_of(graph_of([constant(0)], sparse=[sparse_of(outside, "indices")]))


def in_a_function(outside):
    opset = [helper.make_opsetid("", 17)]
    made = in_a_node(outside=False)
    made.functions.append(helper.make_function("own", "f", [], ["y"], [constant(outside)], opset))
    return made


def in_a_default_of_a_function(outside):
    made = in_a_function(outside=False)
    default = helper.make_attribute("a", tensor(outside=outside))
    made.functions[0].attribute_proto.append(default)
    return made


def in_training(outside):
    made = in_a_node(outside=False)
    made.training_info.add(algorithm=graph_of([constant(outside)]))
    return made


def before_training(outside):
    made = in_a_node(outside=False)
    made.training_info.add(initialization=graph_of([constant(outside)]))
    return made


PLACES = [
    as_weight,
    in_a_node,
    in_a_branch,
    in_a_list,
    in_a_list_of_graphs,
    in_a_sparse_attribute,
    in_sparse_attributes,
    sparse,
    in_sparse_indices,
    in_a_function,
    in_a_default_of_a_function,
    in_training,
    before_training,
]


@pytest.mark.parametrize("place", PLACES)
def test_weights_of_another_file_are_found_wherever_they_are(place, tmp_path):
    for outside in (False, True):
        content = place(outside).SerializeToString()
        assert reads_other_files(content) is outside
        path = tmp_path / "graph.onnx"
        path.write_bytes(content)
        assert reads_other_files(str(path)) is outside


def test_such_a_graph_is_not_opened(tmp_path):
    content = as_weight(outside=False).SerializeToString()
    (output,) = open_session(content, 1, tmp_path).run(None, {})
    np.testing.assert_array_equal(output, np.ones((2, 2)))
    content = as_weight(outside=True).SerializeToString()
    with pytest.raises(IntegrityError, match="reads weights from other files"):
        open_session(content, 1, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x3a\x05\x0a", "ends after its message"),
        (b"\x3a", "a number has no end"),
        (b"\x3a" + b"\xff" * 12, "a number has no end"),
        (b"\x3b\x00", "the unknown type 3"),
        (b"\xba\x80\x80\x80\x10\x00", "too large"),  # 7 in the lowest 32 bits
    ],
)
def test_what_is_no_graph_is_an_error(content, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        reads_other_files(content)
    path = tmp_path / "graph.onnx"
    for held in (content, b""):
        path.write_bytes(held)
        with pytest.raises(IntegrityError, match="cannot be read as a graph"):
            open_session(str(path), 1, path)


def test_graphs_inside_graphs_need_no_recursion():
    def message(field, content):
        length, number = len(content), b""
        while length >= 0x80:
            number, length = number + bytes([length & 0x7F | 0x80]), length >> 7
        return bytes([field << 3 | 2]) + number + bytes([length]) + content

    for outside in (False, True):
        content = message(1, message(5, message(5, tensor(outside=outside).SerializeToString())))
        for _ in range(2_000):
            content = message(1, message(5, message(6, content)))
        assert reads_other_files(message(7, content)) is outside
