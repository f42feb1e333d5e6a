"""Check that the encoder in a folder works, when a model is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nlptl.base.errors import EncoderNotFoundError
from nlptl.encoders.contextual.adapters import Adapter
from nlptl.encoders.contextual.encoder_checks import foreign_errors
from nlptl.encoders.contextual.loaded import LoadedEncoder, read_encoder
from nlptl.encoders.contextual.text_reader import TextReader

_PROBE = "The order arrived late."
_PROVEN: set[tuple[Any, ...]] = set()


def prove_encoder(reader: TextReader, *, encode: Callable[[list[str]], object]) -> None:
    """Check that an encoder can encode a text, without reading its weights if possible.

    The encoder is built on torch's ``meta`` device, which handles shapes only. If it cannot run
    there, its weights are loaded. They then stay in memory for the first texts.

    Parameters
    ----------
    reader : TextReader
        Reader of the encoder.
    encode : callable
        Encodes a list of texts with the weights, without a cache.

    Raises
    ------
    EncoderNotFoundError
        If settings, tokenizer, weights and adapter do not fit each other.
    IntegrityError
        If a file is malformed, or names something outside of the folder.
    """
    folder, stock = reader.folder, reader.is_stock
    key = (folder.fingerprint, stock, reader.max_length, reader.long_texts)
    if key in _PROVEN:
        return
    with foreign_errors(f"Encoder {folder.name!r} cannot be used"):
        ids = [int(token) for token in reader.windows([_PROBE]).ids[0]]
        bare = read_encoder(folder, "float32", "meta", stock=stock, adapted=False)
        _check_tokens(bare, ids)
        try:
            _run_shapes(bare, ids, stock=stock)
        except Exception:  # some model families cannot run on shapes alone
            encode([_PROBE])
    _PROVEN.add(key)


def _check_tokens(loaded: LoadedEncoder, ids: list[int]) -> None:
    """Check that each token of the tokenizer has a vector."""
    try:
        table = loaded.model.get_input_embeddings()
    except NotImplementedError:  # CANINE reads characters and has no token table
        return
    size = getattr(getattr(table, "weight", None), "shape", (max(ids, default=0) + 1,))[0]
    special = (loaded.tokenizer.pad_token_id, loaded.tokenizer.unk_token_id)
    invalid = [token for token in (*ids, *special) if token is not None and not 0 <= token < size]
    if invalid or not ids:
        raise EncoderNotFoundError(
            f"The tokenizer of {loaded.folder.name!r} does not fit its weights: expected token ids "
            f"from 0 to {size - 1}, got {invalid[:1] or ids}. Restore a copy."
        )


def _run_shapes(loaded: LoadedEncoder, ids: list[int], *, stock: bool) -> None:
    """Run an encoder and its adapter on the shapes of one text."""
    import torch

    adapter, model = loaded.folder.adapter, loaded.model
    if adapter is not None:
        model = Adapter.load(adapter).merged_into(model)
    tokens = torch.tensor([ids], device="meta")
    with torch.inference_mode():
        if stock:
            vectors = model(input_ids=tokens).logits
        else:
            outputs = model(input_ids=tokens, output_hidden_states=True)
            vectors = outputs.last_hidden_state.mean(dim=1)
            layers = len(outputs.hidden_states) - 1
            if (vectors.shape[-1], layers) != (loaded.folder.hidden_size, loaded.folder.n_layers):
                raise ValueError(f"{layers} layers of {vectors.shape[-1]} numbers")
        if loaded.dense is not None:
            loaded.dense(vectors)
