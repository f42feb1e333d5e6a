"""Choose the padding token that fills the shorter rows of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nlptl.base.errors import EncoderNotFoundError

if TYPE_CHECKING:
    from nlptl.encoders.contextual.encoder_folder import EncoderFolder


def padding_id(folder: EncoderFolder, *, stock: bool) -> int:
    """Return the id of the padding token.

    Parameters
    ----------
    folder : EncoderFolder
        Folder of the encoder.
    stock : bool
        True for a classifier of transformers. Some classifiers detect the end of a text by the
        padding token of their configuration. The batches must then use the same token.

    Raises
    ------
    EncoderNotFoundError
        If ``stock`` is True and neither configuration nor tokenizer has a suitable token.
    """
    config, tokenizer = folder.config, folder.tokenizer
    of_config = getattr(config, "pad_token_id", None)
    candidates = [of_config, tokenizer.pad_token_id] if stock else [tokenizer.pad_token_id]
    ends = [tokenizer.eos_token_id, *_listed(getattr(config, "eos_token_id", None))]
    limit = folder.tokenization.n_embedded
    token_ids = [int(n) for n in (*candidates, *ends) if n is not None]
    usable = [n for n in token_ids if n >= 0 and (limit is None or n < limit)]
    if usable:
        return usable[0]
    if not stock:
        return 0  # padding is masked, so any token works
    raise EncoderNotFoundError(
        "Pooling(tokens='stock') needs a padding token or an end-of-text token, but encoder "
        f"{folder.name!r} with its {type(tokenizer).__name__} has none. Set pad_token in the "
        "tokenizer, or use another pooling."
    )


def _listed(ids: int | list[int] | tuple[int, ...] | None) -> Sequence[int | None]:
    return ids if isinstance(ids, list | tuple) else [ids]
