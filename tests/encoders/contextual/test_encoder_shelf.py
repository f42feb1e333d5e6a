from nlptl.encoders.contextual.encoder_folder import find_encoder
from nlptl.encoders.contextual.encoder_shelf import empty_shelf, load_encoder


def test_one_encoder_is_loaded_once(tiny_encoder):
    folder = find_encoder(tiny_encoder)
    first = load_encoder(folder, dtype="float32", device="cpu")
    assert load_encoder(folder, dtype="float32", device="cpu") is first
    assert load_encoder(folder, dtype="bfloat16", device="cpu") is not first
    with empty_shelf():
        assert load_encoder(folder, dtype="float32", device="cpu") is not first
    assert load_encoder(folder, dtype="float32", device="cpu") is first
