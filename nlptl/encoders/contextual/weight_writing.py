"""Writing the weights of an encoder in memory so that transformers reads them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlptl.encoders.contextual.encoder_folder import EncoderFolder


def write_model(model: Any, folder: EncoderFolder, target: Path) -> None:
    """Write the weights of an encoder, and its configuration.

    An encoder-decoder is written whole, with the decoder of the folder that it was read from. Its
    encoder alone has other names for its weights, which transformers would not find again.

    Parameters
    ----------
    model : torch.nn.Module
        The encoder in memory.
    folder : EncoderFolder
        What it was read from.
    target : Path
        An existing folder.
    """
    from transformers import AutoModel

    from nlptl.encoders.contextual.loaded import encoder_half, quiet_transformers, read_weights

    whole = model
    if folder.config.is_encoder_decoder:
        whole, _ = read_weights(AutoModel, folder, "cpu", dtype=next(model.parameters()).dtype)
        encoder_half(whole).load_state_dict(model.state_dict())
    with quiet_transformers():
        whole.save_pretrained(target)
