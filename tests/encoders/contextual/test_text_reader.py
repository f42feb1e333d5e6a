import pytest

from nlptl import TransformerEncoder
from nlptl.base.errors import ConfigError
from nlptl.encoders import Pooling
from nlptl.encoders.contextual import encoder_shelf
from tests.conftest import make_encoder

LONG = " ".join(["the parcel came late and the box was broken"] * 20)


@pytest.fixture
def encoder(tiny_encoder):
    return TransformerEncoder(tiny_encoder, cache=None, precision="float32")


def test_tokens_are_counted_as_the_encoder_sees_them(encoder):
    assert encoder.reader.count_tokens(["the parcel", LONG]).tolist() == [4, 182]
    assert encoder.reader.window == 32
    assert TransformerEncoder(encoder.name_or_path, max_length=10).reader.window == 10


def test_texts_are_cut_into_windows_or_at_the_end(encoder):
    windows = encoder.reader.windows(["the parcel", LONG])
    assert windows.text_of_window.tolist() == [0] + [1] * (len(windows.ids) - 1)
    assert len(windows.ids) > 3 and windows.sizes.max() == 32
    cut = TransformerEncoder(encoder.name_or_path, long_texts="cut").reader.windows([LONG])
    assert cut.sizes.tolist() == [32]
    pairs = encoder.reader.windows([("the parcel", "came late")])
    assert len(pairs.ids) == 1 and pairs.kinds is None  # this encoder has one token type


def test_the_pooling_is_the_chosen_one_or_that_of_the_folder(encoder):
    assert encoder.reader.pooling == encoder.folder.sentence.pooling
    assert not encoder.reader.is_stock and encoder.reader.width == 32
    chosen = Pooling("cls", (1, 3))
    assert TransformerEncoder(encoder.name_or_path, chosen).reader.pooling == chosen
    deep = TransformerEncoder(encoder.name_or_path, Pooling(layers=(4,)))
    with pytest.raises(ConfigError, match="There is no layer 4: .* has layers 0 to 3"):
        _ = deep.reader.pooling


def test_weights_of_an_open_encoder_are_loaded_once_and_those_in_memory_are_used(
    encoder, monkeypatch
):
    opened = encoder.open()
    loaded = opened.reader.loaded
    assert encoder.reader.loaded is loaded
    monkeypatch.setattr(encoder_shelf, "load_encoder", lambda *_, **__: pytest.fail("again"))
    assert opened.reader.loaded is loaded
    assert encoder.with_weights(loaded).reader.loaded is loaded


def test_a_longer_window_than_that_of_the_folder_is_possible_up_to_the_positions(tmp_path):
    folder = make_encoder(tmp_path / "encoder", window=16)  # it has 64 positions
    assert TransformerEncoder(folder).reader.window == 16
    assert TransformerEncoder(folder, max_length=40).reader.window == 40
    longest = TransformerEncoder(folder, max_length=4000)
    assert longest.reader.window == 64
    assert longest.transform(["the parcel came late and the box was broken " * 10]).shape[0] == 1
