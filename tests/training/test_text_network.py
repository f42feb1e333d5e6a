import numpy as np
import torch

from nlptl.data.targets import Targets
from nlptl.encoders import Pooling, TransformerEncoder
from nlptl.encoders.contextual.shelf import read_encoder
from nlptl.training.text_network import LabelledWindows, TextNetwork, log_loss, logits_of

TEXTS = ["the parcel came late", "help", "cancel my contract please", "add a second calendar"]


def network(encoder, pooling, weights):
    model = read_encoder(encoder.folder, "float32", "cpu").model
    width = encoder.folder.hidden_size * int(np.count_nonzero(weights))
    head = torch.nn.Linear(width, 2)
    return TextNetwork(model, head, pooling=pooling, weights=np.array(weights), scale=2.0).eval()


def test_the_features_are_those_of_the_encoder(tiny_encoder):
    pooling = Pooling(layers=(1, 2, -1), normalize=True)
    encoder = TransformerEncoder(tiny_encoder, pooling=pooling, dtype="float32", cache=None)
    found = network(encoder, pooling, [0.0, 0.5, 1.0])
    logits = logits_of(found, encoder.windows(TEXTS), padding=0)
    vectors = encoder.transform(TEXTS)[:, 32:] * np.repeat([0.5, 1.0], 32) * 2.0
    wanted = found.head(torch.from_numpy(vectors.astype(np.float32))).detach().numpy()
    np.testing.assert_allclose(logits, wanted, atol=1e-5)


def test_the_loss_of_unseen_rows_is_weighted(tiny_encoder):
    pooling = Pooling()
    encoder = TransformerEncoder(tiny_encoder, pooling=pooling, dtype="float32", cache=None)
    found, windows = network(encoder, pooling, [1.0]), encoder.windows(TEXTS)
    codes = np.array([0, 1, 0, 1])
    each = [
        log_loss(found, LabelledWindows(windows, Targets(codes, 2, np.eye(4)[i]), 0))
        for i in range(4)
    ]
    whole = log_loss(found, LabelledWindows(windows, Targets(codes, 2), 0))
    np.testing.assert_allclose(np.mean(each), whole, rtol=1e-6)
    assert found.training is False
