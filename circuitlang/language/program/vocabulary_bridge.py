"""The settings of bridges: each with its type, range, unit and meaning."""

from __future__ import annotations

from circuitlang.language.program.bridge import BridgeLoss, BridgeTraining, Coupling
from circuitlang.language.program.signature import Section, Setting
from circuitlang.language.program.vocabulary import OF_ANY_TRAINING, VERDICT, WARMUP

COUPLING = Section(
    "coupling",
    Coupling,
    (
        Setting(
            "sites",
            "choice",
            "before every attention and MLP, or before every attention; and at the end",
            choices=("sublayers", "layers"),
        ),
        Setting(
            "activations", "number", "share of the sparse channels that the encoder keeps", above=0, high=1
        ),
    ),
)
BRIDGE_TRAIN = Section(
    "train",
    BridgeTraining,
    (
        *OF_ANY_TRAINING,
        WARMUP,
        Setting(
            "joint",
            "yes or no",
            "whether the sparse model is trained with the bridge; else it stays as it is",
        ),
    ),
)
BRIDGE_LOSS = Section(
    "loss",
    BridgeLoss,
    (
        Setting(
            "pretraining",
            "number",
            "weight of the sparse model's own loss, where it is trained, too",
            low=0,
            high=1000,
        ),
        Setting("encoder", "number", "weight of the encoders' normalised squared errors", low=0, high=1000),
        Setting("decoder", "number", "weight of the decoders' normalised squared errors", low=0, high=1000),
        Setting(
            "to_sparse",
            "number",
            "weight of the divergence where the sparse model goes on",
            low=0,
            high=1000,
        ),
        Setting(
            "to_dense", "number", "weight of the divergence where the dense model goes on", low=0, high=1000
        ),
    ),
)
BRIDGE_SECTIONS = {section.name: section for section in (COUPLING, BRIDGE_TRAIN, BRIDGE_LOSS, VERDICT)}
BRIDGE_SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("dense", "name or text", "the dense model, written like a spec's `model`; it is not changed"),
        Setting("sparse", "name or text", "the sparse model, written like a spec's `model`"),
        Setting("spec", "name", "a spec of the sparse model, whose task and roles the claims speak of"),
    )
}
