"""The words of models and specs: settings, metrics, interventions, role kinds; each with its type, unit and
meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Literal

from circuitlang.program.recipe import Architecture, Sparsity, Training
from circuitlang.program.spec import PruneSettings, VerdictSettings

Type = Literal[
    "integer", "number", "yes or no", "choice", "name", "name or text", "integers", "numbers", "integer range"
]


@dataclass(frozen=True, slots=True)
class Setting:
    """`low` and `high` bound every number of the value; `above` and `below` exclude the bound itself."""

    name: str
    type: Type
    meaning: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()

    def accepts(self, value: float) -> bool:
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    @property
    def bounds(self) -> str:
        """The range in words, as `above 0 and at most 1`."""
        words = [
            (self.above, "above {:,.15g}"),
            (self.low, "at least {:,.15g}"),
            (self.below, "below {:,.15g}"),
            (self.high, "at most {:,.15g}"),
        ]
        return " and ".join(text.format(bound) for bound, text in words if bound is not None)


@dataclass(frozen=True, slots=True)
class Section:
    """A block of settings. `holds`: the dataclass they fill, which also has the defaults."""

    name: str
    holds: type
    settings: tuple[Setting, ...]

    @property
    def defaults(self) -> Mapping[str, object]:
        """The value of every setting that may be left out."""
        return {field.name: field.default for field in fields(self.holds) if field.default is not MISSING}

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(setting.name for setting in self.settings if setting.name not in self.defaults)


ARCHITECTURE = Section(
    "architecture",
    Architecture,
    (
        Setting("layers", "integer", "how many blocks of attention and MLP", low=1, high=64),
        Setting("width", "integer", "size of the residual stream", "channels", low=1, high=16384),
        Setting("heads", "integer", "attention heads per layer; they divide the width", low=1, high=1024),
        Setting("context", "integer", "the longest text", "tokens", low=2, high=8192),
        Setting("mlp", "integer", "hidden units of the MLP per residual channel", low=1, high=16),
        Setting("vocabulary", "integer", "size of the tokenizer's vocabulary", "tokens", low=257, high=65536),
        Setting("sink", "yes or no", "whether every head has a learned attention sink"),
        Setting("bigram", "yes or no", "whether a table from token to next token is added to the logits"),
    ),
)
SPARSITY = Section(
    "sparsity",
    Sparsity,
    (
        Setting(
            "weights", "number", "share of the blocks' weights that are not 0; 1 is dense", above=0, high=1
        ),
        Setting("embeddings", "number", "share of the embeddings' weights that are not 0", above=0, high=1),
        Setting(
            "activations", "number", "share of each activation vector that AbsTopK keeps", above=0, high=1
        ),
        Setting("floor", "integer", "weights that each neuron and attention channel keeps at least", low=0),
    ),
)
TRAIN = Section(
    "train",
    Training,
    (
        Setting("corpus", "name", "the `corpus` block to train on"),
        Setting("tokens", "integer", "length of the training", "tokens", low=1, high=10**12),
        Setting("batch", "integer", "sequences per step", "sequences", low=1, high=65536),
        Setting("learning_rate", "number", "the highest step size of the optimizer", above=0, high=10),
        Setting(
            "seed", "integer", "decides the initial weights and the order of the text", low=0, high=2**31 - 1
        ),
        Setting("anneal", "number", "share of the run during which the weights become sparse", low=0, high=1),
        Setting("warmup", "number", "share of the run during which the step size rises", low=0, high=1),
        Setting("weight_decay", "number", "decay of the weights, as in AdamW", low=0, high=10),
        Setting("epsilon", "number", "the epsilon of AdamW", above=0, high=10),
        Setting(
            "validation", "integer", "tokens kept out for the validation loss", "tokens", low=1, high=10**9
        ),
    ),
)
PRUNE = Section(
    "prune",
    PruneSettings,
    (
        Setting(
            "loss",
            "number",
            "the smallest circuit with at most this loss is searched",
            "nats",
            above=0,
            high=10,
        ),
        Setting("ablate", "choice", "what an ablated node becomes", choices=("mean", "zero")),
        Setting("seeds", "integers", "one search each", low=0, high=2**31 - 1),
        Setting("steps", "integer", "optimizer steps of a search", "steps", low=1, high=10**6),
        Setting("batch", "integer", "datapoints per step", "datapoints", low=1, high=4096),
        Setting("learning_rate", "number", "the highest step size of a search", above=0, high=10),
        Setting("penalty", "numbers", "cost of one kept node; each value is tried", "nats", above=0, high=10),
        Setting(
            "temperature", "number", "softness of the keep-or-drop decision's gradient", above=0, high=100
        ),
    ),
)
VERDICT = Section(
    "verdict",
    VerdictSettings,
    (
        Setting("confidence", "number", "how sure a verdict is", above=0.5, below=1),
        Setting(
            "samples", "integer range", "datapoints at the first and at the last look", low=2, high=10**7
        ),
        Setting("competence", "number", "accuracy below which nothing is judged", low=0, high=1),
        Setting(
            "mass", "number", "probability of answer and foils below which nothing is judged", low=0, high=1
        ),
    ),
)
MODEL_SECTIONS = {section.name: section for section in (ARCHITECTURE, SPARSITY, TRAIN)}
SPEC_SECTIONS = {section.name: section for section in (PRUNE, VERDICT)}
SPEC_SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("task", "name", "the `task` block that asks the model"),
        Setting(
            "model", "name or text", 'a `model` block, a shipped model as "zoo:NAME", or a checkpoint\'s path'
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Metric:
    """What a claim can measure. `given`: whether it is measured under an intervention. `takes`: its
    arguments. `built`: whether anything computes it yet; the checker refuses what is not."""

    name: str
    unit: Literal["nats", "share", "count", "activation"]
    meaning: str
    given: Literal["may", "must", "never"] = "may"
    low: float | None = 0.0
    takes: tuple[str, ...] = ()
    built: bool = True

    @property
    def high(self) -> float | None:
        return 1.0 if self.unit == "share" else None

    @property
    def counts(self) -> bool:
        """Whether it is one whole number of the circuit, not an expectation over datapoints."""
        return self.unit == "count"


METRICS = {
    metric.name: metric
    for metric in (
        Metric("loss", "nats", "cross-entropy between the answer and its foils, per prompt; chance is ln 2"),
        Metric("accuracy", "share", "how often the answer is more likely than every foil"),
        Metric("rise", "nats", "loss minus the untouched model's", given="must", low=None),
        Metric("agreement", "share", "how often the choice equals the untouched model's", given="must"),
        Metric("nodes", "count", "nodes of the circuit", given="never"),
        Metric("edges", "count", "edges of the circuit", given="never"),
        Metric(
            "kl", "nats", "divergence from the untouched model over the vocabulary", given="must", built=False
        ),
        Metric("flip", "share", "how often the choice becomes the other case's", given="must", built=False),
        Metric("probability", "share", "probability of the answer over the vocabulary", built=False),
        Metric("mass", "share", "probability of answer and foils together", built=False),
        Metric("auroc", "share", "how well a role tells positions apart", takes=("ROLE", "at"), built=False),
        Metric(
            "attention",
            "share",
            "attention of a head's role between marks",
            takes=("ROLE", "from", "to"),
            built=False,
        ),
        Metric("activation", "activation", "mean value of a role", low=None, takes=("ROLE",), built=False),
    )
}


@dataclass(frozen=True, slots=True)
class InterventionKind:
    """What can be done to a model. `targets`: the words it applies to; roles and arrows come on top.
    `each`: what it repeats over, one at a time. `value`: whether it takes `= number`."""

    name: str
    meaning: str
    targets: tuple[str, ...] = ()
    each: tuple[str, ...] = ()
    value: bool = False
    built: bool = True


INTERVENTIONS = {
    kind.name: kind
    for kind in (
        InterventionKind("keep", "ablate every node outside the target", targets=("circuit", "random")),
        InterventionKind("drop", "ablate the target alone", targets=("circuit", "random"), each=("node",)),
        InterventionKind("swap", "give the target its value in the datapoint's other case", built=False),
        InterventionKind("set", "give the target a value", value=True, built=False),
        InterventionKind("scale", "multiply the target's value", value=True, built=False),
    )
}
EACH_NOT_BUILT = ("edge",)


@dataclass(frozen=True, slots=True)
class RoleKind:
    """What a role of a circuit can bind to."""

    name: str
    meaning: str
    built: bool = False


ROLE_KINDS = {
    kind.name: kind
    for kind in (
        RoleKind("neuron", "a hidden unit of an MLP"),
        RoleKind("channel", "a residual channel: every site at that index"),
        RoleKind("head", "an attention head"),
        RoleKind("attn_in", "a channel that attention reads"),
        RoleKind("q", "a query channel"),
        RoleKind("k", "a key channel"),
        RoleKind("v", "a value channel"),
        RoleKind("attn_out", "a channel that attention writes"),
        RoleKind("mlp_in", "a channel that an MLP reads"),
        RoleKind("mlp_out", "a channel that an MLP writes"),
    )
}
