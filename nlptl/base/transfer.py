"""The contract of a transfer: what it declares, what it receives and what it returns.

A transfer is a frozen dataclass that derives from ``Transfer``. Its class attributes declare what
it is. ``bind`` receives a ``Context`` and returns a ``BoundTransfer``, which takes part in the
training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

import numpy as np

from nlptl.base.arrays import FloatArray, IntArray
from nlptl.base.inputs import TransferName
from nlptl.base.protocols import Features
from nlptl.base.specs import Spec
from nlptl.base.streams import Batch, Stream, TokenRows

if TYPE_CHECKING:
    from torch import Tensor, nn

KINDS_OF_DATA = ("pairs", "several labels", "numbers", "tasks")
"""Kinds of data that a method may support, apart from single texts with one label each."""


@dataclass(frozen=True, eq=False)
class DomainFeatures:
    """Features of the source and of the target, for transfers that compare them.

    Attributes
    ----------
    source : ndarray or csr_matrix of shape (n_source, n_features)
        Features of the labelled rows of one source domain.
    source_codes : ndarray of shape (n_source,)
        Class of each source row, as the model numbers the classes.
    target : ndarray or csr_matrix of shape (n_target, n_features)
        Features of all target rows: unlabelled rows, then labelled rows.
    labelled : ndarray or csr_matrix of shape (n_labelled, n_features)
        Features of the labelled target rows only. There may be none.
    labelled_codes : ndarray of shape (n_labelled,)
    n_outputs : int
        Number of classes.
    seed : int
    """

    source: Features
    source_codes: IntArray
    target: Features
    labelled: Features
    labelled_codes: IntArray
    n_outputs: int
    seed: int = 0


class Transfer(Spec):
    """Base class of all transfer methods, with a default for everything that they declare."""

    carries: ClassVar[str] = "parameters"
    """Kind of knowledge that is transferred: instances, features, parameters or relations."""

    setting: ClassVar[str] = "inductive"
    """The setting by Pan and Yang (2010): inductive, transductive or unsupervised."""

    needs: ClassVar[frozenset[str]] = frozenset({"labels"})
    """Inputs that ``fit`` needs: a subset of labels, unlabeled, source and links."""

    accepts: ClassVar[frozenset[str]] = frozenset()
    """Inputs that the transfer uses if ``fit`` receives them, in addition to those it needs."""

    supports: ClassVar[frozenset[str]] = frozenset(KINDS_OF_DATA)
    """Kinds of data that the transfer can be used with, a subset of ``KINDS_OF_DATA``."""

    compares_domains: ClassVar[bool] = False
    """True if the transfer compares labelled rows of a source with unlabelled target rows."""

    aligns_source: ClassVar[bool] = False
    """True if ``align`` moves frozen features of the source into the space of the target."""

    weighs_source: ClassVar[bool] = False
    """True if ``weigh`` computes weights of the source rows from frozen features."""

    trains_source_head: ClassVar[bool] = False
    """True if each source has a head of its own in training, with labels of its own."""

    paper: ClassVar[str] = ""
    """Source of the method."""

    trains_encoder: ClassVar[bool] = False
    """True if weights of the encoder change."""

    chooses_weights: ClassVar[bool] = False
    """True if the transfer decides which weights of the encoder are trained. A fit has one such
    transfer at most."""

    adds_rows: ClassVar[bool] = False
    """True if the transfer only adds rows or names of classes to the data of the head."""

    refits_head: ClassVar[bool] = False
    """True if the head is fitted after the encoder was trained, instead of together with it."""

    binds_last: ClassVar[bool] = False
    """True if the transfer reads the weights that all other transfers have added."""

    needs_head: ClassVar[bool] = False
    """True if its loss reads the class scores. The head must then be trained with the encoder."""

    @property
    def runs_first(self) -> bool:
        """True if the transfer changes the encoder in a training of its own, which comes first."""
        return False

    @property
    def keeps_head(self) -> bool:
        """True if training starts from the head that was fitted on frozen features."""
        return True

    @property
    def averages_weights(self) -> bool:
        """True if the weights of two trainings can be averaged."""
        return False

    @property
    def only_occurring_words(self) -> bool:
        """True if word embeddings of words outside the training data stay as they are."""
        return False

    def variants(self) -> Sequence[Transfer]:
        """Return variants of an alignment to choose from; none if it is used as it is.

        The one with the highest expected accuracy on the unlabelled target rows is chosen if its
        gain over the first one is clear.
        """
        return ()

    def align(self, features: DomainFeatures) -> FloatArray:
        """Return the features of the source rows in the space of the target features.

        It is called for each source domain and for each dense group of columns.
        """
        raise NotImplementedError

    def weigh(self, features: DomainFeatures) -> FloatArray:
        """Return a weight for each source row, with a mean of 1: (n_source,).

        It is called for each source domain.
        """
        raise NotImplementedError

    def bind(self, context: Context) -> BoundTransfer:
        """Bind the transfer to one network.

        Parameters
        ----------
        context : Context

        Raises
        ------
        ConfigError
            If the network cannot be trained in this way.
        """
        return BoundTransfer()


@dataclass(frozen=True, eq=False)
class SourceTexts:
    """Texts of one source, with labels of their own.

    Attributes
    ----------
    texts : sequence of str or of (str, str)
    codes : ndarray of shape (n,), (n, n_labels) or None
        Classes as the source numbers them, zeros and ones, or standardised numbers. None without
        labels.
    n_outputs : int
        Number of classes or labels; 1 for numbers, 0 without labels.
    row_losses : callable or None
        Takes class scores (n, n_outputs) and row numbers (n,); returns a loss per row.
    """

    texts: Sequence[Any]
    codes: Any = None
    n_outputs: int = 0
    row_losses: Any = None


def _no_features(rows: TokenRows) -> FloatArray:
    """Return features of width 0, for a context without a trained network."""
    return np.zeros((len(rows), 0), dtype=np.float32)


@dataclass(frozen=True)
class Context:
    """The network and the data that a transfer is bound to.

    Attributes
    ----------
    network : torch.nn.Module
        Network with the parts ``encoder`` and ``head``.
    n_layers : int
        Number of layers of the encoder.
    seed : int
    rows_of : callable
        Takes texts or pairs of texts and returns tokenized rows for ``BoundTransfer.streams``.
    features_of : callable
        Takes tokenized rows; returns their features before training: (n, n_features).
    unlabeled : sequence of str or of (str, str)
        Unlabelled texts of the target, from ``fit(..., unlabeled=...)``.
    sources : sequence of SourceTexts
        Corpora of ``fit(..., source=...)``.
    n_tasks : int
        Number of tasks that share the encoder.
    tokenizer : PreTrainedTokenizer
        Tokenizer of the encoder.
    """

    network: Any
    n_layers: int
    seed: int
    rows_of: Callable[[Sequence[Any]], Any] = tuple
    unlabeled: Sequence[Any] = ()
    sources: Sequence[SourceTexts] = ()
    n_tasks: int = 1
    tokenizer: Any = None
    features_of: Callable[[Any], FloatArray] = _no_features


@dataclass(frozen=True, eq=False)
class HiddenStates:
    """Hidden states of the last layer of the encoder for a batch.

    The encoder reads windows. A long text has several windows, and so has a pair of texts that
    are encoded separately.

    Attributes
    ----------
    states : Tensor of shape (n_windows, length, width)
        One vector per token, in the number format of the encoder; any numbers for padding.
    attention_mask : Tensor of shape (n_windows, length)
        1 for tokens, 0 for padding.
    rows : Tensor of shape (n_windows,)
        Number of the row in the batch that each window belongs to.
    """

    states: Tensor
    attention_mask: Tensor
    rows: Tensor


class Outputs(Protocol):
    """Outputs of the network for a batch of one stream.

    Attributes
    ----------
    features : Tensor of shape (n, n_features)
        Input of the head.
    logits : Tensor of shape (n, n_outputs)
    batch : Batch
    hidden_states : HiddenStates
        Only for transfers with ``needs_hidden_states``.
    """

    @property
    def features(self) -> Tensor:
        """Input of the head: (n, n_features)."""
        ...

    @property
    def logits(self) -> Tensor:
        """Output of the head: (n, n_outputs)."""
        ...

    @property
    def batch(self) -> Batch:
        """The rows."""
        ...

    @property
    def hidden_states(self) -> HiddenStates:
        """Hidden states of the last layer of the encoder.

        Raises
        ------
        ConfigError
            If no transfer needs them.
        """
        ...


@dataclass(frozen=True, eq=False)
class NetworkResult:
    """Result of a transfer when training is over.

    Attributes
    ----------
    encoder : torch.nn.Module or None
        The encoder that predicts, if it is another one than before.
    adapter : Adapter or None
        What was learned in addition to the weights of the encoder.
    merged : bool
        True if the encoder has the adapter in its weights, so that nothing is stored separately.
    per_task : dict of int to (Module, Adapter or None)
        The encoder of each task that has its own, by the number of the task.
    """

    encoder: Any = None
    adapter: Any = None
    merged: bool = False
    per_task: Mapping[int, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """Part of a training run in which the same set of weights is trained.

    Attributes
    ----------
    name : str
        Name in the progress bar, the history and checkpoints.
    share : float
        Share of all training steps, relative to the sum of the shares of all stages.
    steps : int or None
        Number of steps, in addition to those that are shared out. None uses ``share``.
    ends : callable or None
        Takes the losses of the steps of the stage so far; returns True to end the stage early. It
        is called after every tenth step.
    prepares : bool
        True if the stage only prepares modules of a transfer. Its epochs are neither scored nor
        counted.
    trains : callable
        Takes the names of weights (``encoder...``, ``head...``, ``extras...``) and returns the
        names of those that the stage trains. Weights that do not require gradients at the start
        are not among them.
    streams : tuple of str or None
        Names of the streams that batches come from; ``"task"`` has the labelled rows. None uses
        all streams.
    fresh_schedule : bool
        True if the learning rate starts a new warm-up and decay. False if it continues the
        schedule of the previous stage.
    """

    name: str = "task"
    share: float = 1.0
    trains: Callable[[Sequence[str]], Sequence[str]] = lambda names: names
    streams: tuple[str, ...] | None = None
    fresh_schedule: bool = True
    steps: int | None = None
    ends: Callable[[Sequence[float]], bool] | None = None
    prepares: bool = False


@dataclass(frozen=True)
class WeightGroup:
    """Weights that are trained with the same learning rate.

    Attributes
    ----------
    names : sequence of str
    rate : float
        Factor on the learning rate.
    """

    names: Sequence[str]
    rate: float = 1.0


class BoundTransfer:
    """Base class of transfers bound to one network, with a default for every method."""

    reads_weights: ClassVar[bool] = False
    """True if the loss reads the weights themselves, which FSDP splits over processes."""

    replaces_loss: ClassVar[bool] = False
    """True if the loss replaces the loss of the task. False if it is added to it."""

    compares_rows: ClassVar[bool] = False
    """True if the loss compares rows with each other. It then receives the rows of all processes,
    without those of weight 0, and batches hold rows of any length."""

    batches_by_class: ClassVar[bool] = False
    """True if batches must hold several labelled rows of each of their classes."""

    needs_hidden_states: ClassVar[bool] = False
    """True if the loss reads the hidden states of all tokens. It cannot compare rows as well."""

    def modules(self) -> Mapping[str, nn.Module]:
        """Return additional networks to move, optimise and checkpoint together with the model."""
        return {}

    def weight_groups(self, names: Sequence[str]) -> Sequence[WeightGroup]:
        """Divide weights into groups with a learning rate each; called once per stage.

        Parameters
        ----------
        names : sequence of str
            Names of the weights that the stage and the transfers before this one train.

        Returns
        -------
        sequence of WeightGroup
            Weights that are in no group are not trained.
        """
        return (WeightGroup(names),)

    def stages(self) -> Sequence[Stage]:
        """Return stages that run before those of the transfer that chooses the trained weights."""
        return ()

    def streams(self) -> Mapping[str, TokenRows | Stream]:
        """Return additional rows to draw batches from, by name of the stream."""
        return {}

    def held_back(self) -> Mapping[str, TokenRows | Stream]:
        """Return rows that are not trained on, by name of the stream. ``figures`` reads them."""
        return {}

    def figures(self, outputs: Mapping[str, Outputs]) -> Mapping[str, float]:
        """Return figures of a batch of held-back rows, by name.

        Their means over all held-back rows are recorded in ``History.figures`` at the start of
        the training and after each stage.

        Parameters
        ----------
        outputs : mapping of str to Outputs
            Outputs of the network for the batch of each held-back stream.
        """
        return {}

    def loss(self, outputs: Mapping[str, Outputs], progress: float) -> Tensor | None:
        """Return a loss to add to the loss of the task, as a scalar tensor, or None.

        Parameters
        ----------
        outputs : mapping of str to Outputs
            Outputs of the network for the batch of each stream.
        progress : float
            Completed share of the training, from 0 to 1.
        """
        return None

    def finish(self) -> NetworkResult | None:
        """Return the parts of the network that predict, or None if nothing changes.

        It is called once, when training is over.
        """
        return None


TransferLike: TypeAlias = Transfer | Sequence[Transfer | TransferName | str] | TransferName | str
"""A transfer or its name such as ``"lora"``, or several that are combined."""
