import numpy as np
import pytest

from nlptl import TransformerEncoder
from nlptl.base.errors import ConfigError
from nlptl.encoders.contextual.onnx import encoder_session
from nlptl.encoders.contextual.onnx.encoder_session import EncoderSession, torch_states
from nlptl.encoders.contextual.onnx.graph_cache import graph_file


@pytest.fixture
def reader(tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("NLPTL_CACHE", str(tmp_path / "cache"))
    return TransformerEncoder(tiny_encoder, cache=None, precision="float32").reader


def test_a_session_returns_the_states_of_torch(reader):
    session = EncoderSession.open(reader, graph_file(reader, "float32"), threads=1)
    windows = reader.windows(["the parcel came late", "help"])
    np.testing.assert_allclose(session.states(windows), torch_states(reader, windows), atol=1e-5)
    assert session.types and windows.kinds is None  # the session fills in the token types


@pytest.mark.parametrize(
    ("precision", "similarity", "agrees"),
    [
        ("float32", [*[1.0] * 7, 0.9995], True),
        ("float32", [*[1.0] * 7, 0.9989], False),
        ("float32", [0.9998] * 8, False),
        ("int8", [0.96] * 8, True),
        ("int8", [0.94] * 8, False),
    ],
)
def test_vectors_that_differ_too_much_are_refused(
    reader, monkeypatch, precision, similarity, agrees
):
    session = EncoderSession.open(reader, graph_file(reader, "float32"), threads=1)
    monkeypatch.setattr(encoder_session, "cosines", lambda *_: np.array(similarity))
    if agrees:
        session.check(reader, precision)
    else:
        with pytest.raises(ConfigError, match="returns other vectors than torch"):
            session.check(reader, precision)
