"""The words of models, specs and bridges: settings, metrics, interventions, kinds of roles; each with its signature."""

from __future__ import annotations

from math import inf
from typing import get_args

from circuitlang import site
from circuitlang.language.program.recipe import Architecture, Sparsity, Training
from circuitlang.language.program.signature import (
    Crossing,
    Feature,
    InterventionKind,
    Metric,
    Parameter,
    PortKind,
    RoleKind,
    Section,
    Setting,
)
from circuitlang.language.program.spec import Ablate, PruneSettings, VerdictSettings
from circuitlang.site import PRUNED_PLACES, WRITES, Place

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
        Setting(
            "smear",
            "integer",
            "how many tokens before a token have, channel by channel, a learned share of its embedding",
            "tokens",
            low=0,
            high=8,
        ),
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
        Setting("activations_at", "choices", "where AbsTopK is applied", choices=PRUNED_PLACES),
        Setting("floor", "integer", "weights that each neuron and attention channel keeps at least", low=0),
    ),
)
OF_ANY_TRAINING = (
    Setting("corpus", "name", "the `corpus` block to train on"),
    Setting("tokens", "integer", "length of the training", "tokens", low=1, high=10**12),
    Setting("batch", "integer", "sequences per step", "sequences", low=1, high=65536),
    Setting("learning_rate", "number", "the highest step size of the optimizer", above=0, high=10),
    Setting(
        "seed", "integer", "decides the initial weights and the order of the text", low=0, high=2**31 - 1
    ),
)
WARMUP = Setting("warmup", "number", "share of the run during which the step size rises", low=0, high=1)
TRAIN = Section(
    "train",
    Training,
    (
        *OF_ANY_TRAINING,
        Setting("anneal", "number", "share of the run during which the weights become sparse", low=0, high=1),
        WARMUP,
        Setting("weight_decay", "number", "decay of the weights, as in AdamW", low=0, high=10),
        Setting("epsilon", "number", "the epsilon of AdamW", above=0, high=10),
        Setting(
            "validation", "integer", "tokens kept out for the validation loss", "tokens", low=1, high=10**9
        ),
        Setting(
            "start",
            "name or text",
            "the model whose weights and tokenizer it begins with: a `model` block that is trained, a shipped "
            'model as "zoo:NAME", or a checkpoint\'s path',
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
        Setting(
            "ablate",
            "choice",
            "what an ablated node becomes: its value on another prompt of the task, or at another place of pretraining "
            "text, its mean over text or over the task, or 0",
            choices=get_args(Ablate),
        ),
        Setting("seeds", "integers", "one search each", low=0, high=2**31 - 1),
        Setting("steps", "integer", "optimizer steps of a search", "steps", low=1, high=10**6),
        Setting("batch", "integer", "datapoints per step", "datapoints", low=1, high=4096),
        Setting("learning_rate", "number", "the highest step size of a search", above=0, high=10),
        Setting("penalty", "numbers", "cost of one kept node; each value is tried", "nats", above=0, high=10),
        Setting("temperature", "number", "softness of keep or drop, for the gradient", above=0, high=100),
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
        Setting(
            "margin",
            "number",
            "how many times as many nodes a nonsense task and a shuffled model must need at the same loss",
            low=1,
            high=1000,
        ),
        Setting("strict", "yes or no", "whether a smaller ratio than the margin fails the spec"),
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


def _feeds(place: Place) -> tuple[str, ...]:
    """What is computed next of the same sub-layer; a head stands beside its channels."""
    found = [p for p in PRUNED_PLACES if (p.sublayer, p.stage) == (place.sublayer, place.stage + 1)]
    return (*(str(p) for p in found), *["head"] * (Place.Q in found))


def _unit(place: Place) -> RoleKind:
    """A role that one unit of a place plays."""
    reads = None if place in WRITES else place.sublayer
    writes = None if place in site.READS else place.sublayer
    return RoleKind(str(place), place.meaning, place.stage, _feeds(place), reads, writes)


ROLE_KINDS = {
    kind.name: kind
    for kind in (
        _unit(Place.NEURON),
        RoleKind("channel", "a residual channel: every site at that index", None, valued=False),
        RoleKind(
            "head",
            "an attention head",
            Place.Q.stage,
            _feeds(Place.Q),
            reads="attention",
            writes="attention",
            valued=False,
        ),
        *(_unit(place) for place in PRUNED_PLACES if place is not Place.NEURON),
    )
}
PORTS = {
    port.name: port
    for port in (
        PortKind("query", "what the head looks for: through its q channels", enters=True),
        PortKind("key", "what the head finds: through its k channels", enters=True),
        PortKind("value", "what the head copies: through its v channels", enters=True),
        PortKind("out", "what the head writes", enters=False),
    )
}
VALUED = tuple(kind.name for kind in ROLE_KINDS.values() if kind.valued)
READS = tuple(map(str, site.READS))  # what steering acts on: a channel as a sub-layer reads it

BOTH = ("spec", "bridge")
ANY = (-inf, inf)
AT = Parameter("at", "mark", "only at the tokens of this mark", required=False)
OVER = Parameter(
    "over",
    "choice",
    "over held-out pretraining text, where `at` is the text that tokens hold; left out: over the task's prompts",
    required=False,
    choices=("text",),
)
SITE = Parameter(
    "at",
    "site",
    "how many sub-layers the first model computes: 0 is in front of the first attention, 1 of the first MLP, and "
    "so on; left out: the worst of all sites",
    required=False,
)
TO = Parameter("to", "case", "which other case; may be left out where a task has two", required=False)
METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "loss",
            "nats",
            "cross-entropy between the answer and its foils, per prompt; chance is ln 2",
            blocks=BOTH,
        ),
        Metric(
            "accuracy",
            "share",
            "how often the answer is more likely than every foil",
            binary=True,
            blocks=BOTH,
        ),
        Metric(
            "rise",
            "nats",
            "loss minus the untouched model's",
            given="must",
            low=None,
            blocks=BOTH,
        ),
        Metric(
            "agreement",
            "share",
            "how often the choice equals the untouched model's",
            given="must",
            binary=True,
            blocks=BOTH,
        ),
        Metric("nodes", "count", "nodes of the circuit", given="never"),
        Metric(
            "edges", "count", "nonzero weights between nodes of the circuit, needed or not", given="never"
        ),
        Metric(
            "kl",
            "nats",
            "divergence from the untouched model, over the vocabulary",
            given="must",
            blocks=BOTH,
        ),
        Metric(
            "flip",
            "share",
            "how often the choice becomes the other case's answer",
            given="must",
            parameters=(TO,),
            binary=True,
            contrast=True,
            blocks=BOTH,
        ),
        Metric("probability", "share", "probability of the answer, over the vocabulary", blocks=BOTH),
        Metric("mass", "share", "probability of answer and foils together, over the vocabulary", blocks=BOTH),
        Metric(
            "auroc",
            "share",
            "how well a role's value tells the tokens of a mark from the other tokens, or, with `between`, the first "
            "case's from the second's",
            parameters=(
                Parameter("role", "role", "whose value is looked at", kinds=VALUED),
                Parameter("at", "mark or text", "at which tokens"),
                OVER,
                Parameter("between", "two cases", "which two cases are told apart", required=False),
            ),
        ),
        Metric(
            "attention",
            "share",
            "how much of the head's attention goes from the tokens of one mark to those of another",
            parameters=(
                Parameter("role", "role", "which head", kinds=("head",)),
                Parameter("from", "mark", "the tokens that look"),
                Parameter("to", "mark", "the tokens that are looked at"),
            ),
        ),
        Metric(
            "activation",
            "activation",
            "mean value of a role",
            low=None,
            parameters=(
                Parameter("role", "role", "whose value", kinds=VALUED),
                Parameter("at", "mark or text", "only at these tokens", required=False),
                OVER,
            ),
        ),
        *(
            Metric(
                f"{map_}r_error",
                "ratio",
                f"squared error of the {map_}d residual stream, over the {model} one's variance; the worst site",
                given="never",
                blocks=("bridge",),
            )
            for map_, model in (("encode", "sparse"), ("decode", "dense"))
        ),
        *(
            Metric(
                name,
                "nats",
                f"divergence from the dense model when {what}; the worst site",
                "never",
                blocks=("bridge",),
            )
            for name, what in (
                ("to_sparse", "the sparse one goes on from a site"),
                ("to_dense", "it goes on from a decoded site"),
            )
        ),
    )
}
OF_NODES = ("circuit", "random", "role", "each node", "each ROLE")
EVERYTHING = ("circuit", "random", "role", "port", "arrow", "each node", "each edge", "each ROLE")
INTERVENTIONS = {
    kind.name: kind
    for kind in (
        InterventionKind("keep", "ablate every node outside the target", OF_NODES, built=OF_NODES),
        InterventionKind(
            "drop",
            "ablate the target alone; of an arrow, what goes through it",
            EVERYTHING,
            options=(AT,),
            built=(*EVERYTHING, "at"),
        ),
        InterventionKind(
            "swap",
            "give the target its value in the datapoint's other case",
            EVERYTHING,
            options=(AT, TO),
            contrast=True,
            built=(*EVERYTHING, "at", "to"),
        ),
        InterventionKind(
            "set",
            "give the target a value",
            ("role", "each node", "each ROLE"),
            kinds=VALUED,
            value=ANY,
            options=(AT,),
            built=("role", "each node", "each ROLE", "at"),
        ),
        InterventionKind(
            "scale",
            "multiply the target's value",
            EVERYTHING,
            value=ANY,
            nothing=1,
            options=(AT,),
            built=(*EVERYTHING, "at"),
        ),
        InterventionKind(
            "steer",
            "add to the dense model what the bridge decodes from the role's difference between the cases, this many "
            "times",
            ("role", "each ROLE"),
            kinds=READS,
            value=(0, 1),
            nothing=0,
            options=(TO,),
            contrast=True,
            blocks=("bridge",),
            built=("role", "each ROLE", "to"),
        ),
        InterventionKind(
            "cross",
            "compute the first sub-layers in one model, change over by the bridge, and go on in the other",
            get_args(Crossing),
            options=(SITE,),
            blocks=("bridge",),
            built=(*get_args(Crossing), "at"),
        ),
    )
}
FEATURES = {
    feature.name: feature
    for feature in (
        Feature("arrows", "finding the nodes that a circuit block's arrows join", built=True),
        Feature("together", "several interventions at once", built=True),
        Feature("bridges", "training a bridge and judging its claims", built=True),
    )
}
