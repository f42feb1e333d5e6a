"""Export a fitted classifier to the formats of other libraries, which need no nlptl."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.chance import sheltered
from nlptl.base.errors import ConfigError, StorageError
from nlptl.base.suggestions import suggest
from nlptl.encoders.contextual.adapters import Adapter
from nlptl.encoders.contextual.encoder_shelf import load_encoder
from nlptl.encoders.contextual.loaded import LoadedEncoder, classifier_name
from nlptl.encoders.contextual.pooling import Pooling
from nlptl.encoders.contextual.text_reader import TextReader
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.contextual.weight_reading import quiet_transformers
from nlptl.encoders.contextual.weight_writing import write_model
from nlptl.encoders.contextual.windows import TOKENIZER_LOCK
from nlptl.saving.export_checks import check_export
from nlptl.saving.linear_head import head_on_groups, head_on_layer
from nlptl.saving.onnx.onnx_writing import OnnxExport, write_onnx
from nlptl.saving.saved_model import SavedClassifier
from nlptl.storage.atomic import new_folder
from nlptl.storage.tensors import save_arrays

if TYPE_CHECKING:
    import torch

FORMATS = ("transformers", "peft", "onnx", "sentence-transformers")
_HEAD = "nlptl_head"
_MODULE = "sentence_transformers.models."
_MODES = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
_MAX_DIFFERENCE = 1e-3


def export_classifier(
    classifier: SavedClassifier,
    folder: Path,
    *,
    format: str,  # noqa: A002
    graph: OnnxExport | None = None,
) -> Path:
    """Write a fitted classifier in the format of another library, and check the written files.

    Parameters
    ----------
    classifier : TextClassifier
    folder : Path
        A new or empty folder.
    format : {"transformers", "peft", "onnx", "sentence-transformers"}
        As in ``TextClassifier.export``.
    graph : OnnxExport, optional
        Options of the format ``"onnx"``. For other formats only the default options are allowed.

    Raises
    ------
    ConfigError
        If the format is unknown or cannot represent this model.
    StorageError
        If the folder is not empty, or the exported model gives different outputs.
    """
    if format not in FORMATS:
        raise ConfigError(f"format={format!r} is not known. {suggest(str(format), FORMATS)}")
    if format != "onnx" and graph not in (None, OnnxExport()):
        raise ConfigError(
            f"precision, probe and tolerance are for format='onnx', got format={format!r}. "
            "Leave them out."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{str(folder)!r} exists already. Choose a new folder.")
    encoder = check_export(classifier, format)
    with new_folder(folder) as draft, quiet_transformers():
        if format == "onnx":
            head = head_on_groups(classifier.fitted_, encoder)
            write_onnx(classifier, _loaded(encoder), head, draft, graph or OnnxExport())
            return folder
        parts = _parts(classifier, encoder)
        writers = {
            "transformers": parts.write_transformers,
            "peft": parts.write_peft,
            "sentence-transformers": parts.write_sentences,
        }
        parts.encoder.folder.tokenizer.save_pretrained(draft)
        writers[format](draft)
    return folder


def _parts(classifier: SavedClassifier, encoder: TransformerEncoder) -> _Parts:
    fitted = classifier.fitted_
    return _Parts(
        encoder,
        _loaded(encoder),
        head_on_layer(fitted),
        [str(label) for label in classifier.classes_.tolist()],
        fitted.scorer.decision.thresholds is not None,
    )


@dataclass(frozen=True)
class _Parts:
    """The parts of a classifier that an export writes.

    Attributes
    ----------
    encoder : TransformerEncoder
    loaded : LoadedEncoder
        The encoder with its fine-tuned weights.
    head : tuple of (ndarray, ndarray)
        Weights (n_labels, n_features) and offset (n_labels,), including calibration.
    labels : list of str
    several : bool
        True if a text may have several labels.
    """

    encoder: TransformerEncoder
    loaded: LoadedEncoder
    head: tuple[FloatArray, FloatArray]
    labels: list[str]
    several: bool

    @property
    def _base(self) -> str:
        """The base encoder of the adapter for peft: its name on the Hub, else its local folder."""
        folder = self.encoder.folder
        return folder.origin or str(folder.name)

    def write_transformers(self, folder: Path) -> None:
        """Write the model as a sequence classifier of transformers."""
        model = self._classifier()
        model.save_pretrained(folder)
        with sheltered():
            loaded = (
                type(model)
                .from_pretrained(folder, local_files_only=True, trust_remote_code=False)
                .eval()
            )
        self._compare(model.eval(), loaded)

    def write_peft(self, folder: Path) -> None:
        """Write the adapter and its head in the format of ``peft``."""
        adapter = cast(Adapter, self.loaded.adapter)  # the export was checked
        config = {**adapter.config, "base_model_name_or_path": self._base}
        arrays = dict(adapter.arrays)
        if self._is_stock:
            model = self._classifier()
            model.config.save_pretrained(folder)
            last = classifier_name(model)
            modules = {last.split(".", 1)[0], *(config.get("modules_to_save") or ())}
            config |= {"task_type": "SEQ_CLS", "modules_to_save": sorted(modules)}
            weights, offset = self.head
            arrays[f"base_model.model.{last}.weight"] = weights.astype(np.float32)
            arrays[f"base_model.model.{last}.bias"] = offset.astype(np.float32)
        else:
            self._write_head(folder)
        Adapter(config, arrays).save(folder)

    def write_sentences(self, folder: Path) -> None:
        """Write the encoder in the format of ``sentence-transformers``, and the head next to it."""
        source, pooling = self.encoder.folder, self._pooling
        model = copy.deepcopy(self.loaded.model).float().cpu()
        write_model(model, source, folder)
        files = _sentence_files(self.encoder.reader, pooling)
        for name, settings in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(json.dumps(settings, indent=1), encoding="utf-8")
        self._write_head(folder)
        exact = replace(self.loaded, model=model, dtype="float32", device="cpu")
        sentences = ["One text.", "And another one."]
        loaded = TransformerEncoder(folder, cache=None, precision="float32", device="cpu")
        expected = self.encoder.with_weights(exact, pooling=pooling).transform(sentences)
        difference = float(np.abs(loaded.transform(sentences) - expected).max())
        _check_difference("vectors", difference)

    @property
    def _is_stock(self) -> bool:
        return self.encoder.reader.is_stock

    @property
    def _pooling(self) -> Pooling:
        """Pooling of the layer that the head reads."""
        return replace(self.encoder.reader.pooling, layers=(-1,))

    def _classifier(self) -> Any:
        """Return the transformers model with our head in the place of its last layer."""
        import torch

        weights, offset = self.head
        model = copy.deepcopy(self.loaded.model).float().cpu()
        with sheltered():
            linear = torch.nn.Linear(weights.shape[1], weights.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weights))
            linear.bias.copy_(torch.from_numpy(offset))
        model.set_submodule(classifier_name(model), linear)
        model.num_labels = model.config.num_labels = len(self.labels)
        model.config.id2label = dict(enumerate(self.labels))
        model.config.label2id = {label: code for code, label in enumerate(self.labels)}
        kind = "multi_label_classification" if self.several else "single_label_classification"
        model.config.problem_type = kind
        return model

    def _write_head(self, folder: Path) -> None:
        """Write the head to extra files, because the exported model has no layer for it."""
        weights, offset = self.head
        save_arrays(folder / f"{_HEAD}.safetensors", {"weight": weights, "bias": offset})
        pooling = self._pooling
        description = {
            "labels": self.labels,
            "several": self.several,
            "pooling": pooling.get_params() | {"layers": list(pooling.layers)},
        }
        text = json.dumps(description, indent=1)
        (folder / f"{_HEAD}.json").write_text(text, encoding="utf-8")

    def _compare(self, model: torch.nn.Module, loaded: torch.nn.Module) -> None:
        import torch

        with TOKENIZER_LOCK:
            tokens = self.encoder.folder.tokenizer(["One text.", "And another one."], padding=True)
        batch = {n: torch.tensor(tokens[n]) for n in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            difference = float((model(**batch).logits - loaded(**batch).logits).abs().max())
        _check_difference("logits", difference)


def _check_difference(name: str, difference: float) -> None:
    """Raise an error if the outputs of the exported model differ from the original."""
    if not difference <= _MAX_DIFFERENCE:
        raise StorageError(
            f"The exported model must give the same {name} as the original, up to "
            f"{_MAX_DIFFERENCE}, but they differ by {difference:.2g}. Please report this."
        )


def _kind(module: str) -> str:
    """Return the class of a sentence-transformers module from the name of its folder."""
    return module.partition("_")[2] or "Transformer"


def _sentence_files(reader: TextReader, pooling: Pooling) -> dict[str, Any]:
    """Return the settings files of sentence-transformers by name, as plain JSON."""
    source = reader.folder
    lower_case = source.tokenization.lowers_by_hand
    mode = {f"pooling_mode_{_MODES[pooling.tokens]}": True}
    size = {"word_embedding_dimension": source.hidden_size}
    modules = ["", "1_Pooling", *(["2_Normalize"] if pooling.normalize else [])]
    return {
        "modules.json": [
            {"idx": n, "name": str(n), "path": path, "type": _MODULE + _kind(path)}
            for n, path in enumerate(modules)
        ],
        "sentence_bert_config.json": {"max_seq_length": reader.window, "do_lower_case": lower_case},
        "config_sentence_transformers.json": _prompted(source.sentence.prompt),
        "1_Pooling/config.json": size | mode,
    }


def _prompted(prompt: str) -> dict[str, Any]:
    """Return the settings of the prompt before each text; empty without a prompt."""
    return {"prompts": {"text": prompt}, "default_prompt_name": "text"} if prompt else {}


def _loaded(encoder: TransformerEncoder) -> LoadedEncoder:
    """Return the fitted weights, or load them in float32 together with their stored adapter."""
    if encoder.weights is not None:
        return encoder.weights
    stock = encoder.reader.is_stock
    folder = encoder.folder
    loaded = load_encoder(folder, dtype="float32", device=encoder.device, stock=stock)
    adapter = None if folder.adapter is None else Adapter.load(folder.adapter)
    return LoadedEncoder(folder, loaded.model, loaded.dtype, loaded.device, adapter=adapter)
