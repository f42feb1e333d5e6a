"""The token that fills the shorter rows of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nlptl.base.errors import EncoderNotFoundError

if TYPE_CHECKING:
    from nlptl.encoders.contextual.encoder_folder import EncoderFolder


def padding_id(folder: EncoderFolder, *, stock: bool) -> int:
    """Return the id of the token that fills shorter rows.

    Parameters
    ----------
    folder : EncoderFolder
    stock : bool
        For a classifier of transformers. Some of them find the end of a text by the padding token
        of their configuration, so that it has to be the same one.

    Raises
    ------
    EncoderNotFoundError
        If ``stock`` is true, and neither configuration nor tokenizer has such a token.
    """
    config, tokenizer = folder.config, folder.tokenizer
    of_config = getattr(config, "pad_token_id", None)
    candidates = [of_config, tokenizer.pad_token_id] if stock else [tokenizer.pad_token_id]
    ends = [tokenizer.eos_token_id, *_listed(getattr(config, "eos_token_id", None))]
    limit = folder.n_embedded
    known = [int(n) for n in (*candidates, *ends) if n is not None]
    usable = [n for n in known if n >= 0 and (limit is None or n < limit)]
    if usable:
        return usable[0]
    if not stock:
        return 0  # masked, so that any token will do
    raise EncoderNotFoundError(
        f"Encoder {folder.name!r} has neither a padding token nor a token that ends a text, which "
        f"Pooling(tokens='stock') needs; its tokenizer is a {type(tokenizer).__name__}. Set "
        "pad_token in its tokenizer, or use another pooling."
    )


def _listed(ids: Any) -> Iterable[Any]:
    return ids if isinstance(ids, list | tuple) else [ids]
