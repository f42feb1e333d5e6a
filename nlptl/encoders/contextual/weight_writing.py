"""Write the weights of an encoder in memory, so that transformers can read them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from nlptl.encoders.contextual.encoder_folder import EncoderFolder


def write_model(model: PreTrainedModel, folder: EncoderFolder, target: Path) -> None:
    """Write the weights and the configuration of an encoder.

    An encoder-decoder is written completely, with the decoder from its original folder. The weights
    of its encoder alone have other names, which transformers would not recognise.

    Parameters
    ----------
    model : torch.nn.Module
        The encoder in memory.
    folder : EncoderFolder
        Folder from which the encoder was read.
    target : Path
        Existing folder to write to.
    """
    from transformers import AutoModel

    from nlptl.encoders.contextual.loaded import encoder_half
    from nlptl.encoders.contextual.weight_reading import quiet_transformers, read_weights

    full_model = model
    if folder.config.is_encoder_decoder:
        dtype = next(model.parameters()).dtype
        full_model, _ = read_weights(AutoModel, folder, "cpu", dtype=dtype)
        encoder_half(full_model).load_state_dict(model.state_dict())
    with quiet_transformers():
        full_model.save_pretrained(target)
