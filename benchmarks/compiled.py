"""What the search and the battery say of circuits that Tracr compiled from RASP programs (Lindner et al. 2023).

`python -m benchmarks.compiled`, with the extra `tracr`; some minutes of one core. Nobody here wrote these circuits. A
compiled model has no norms, and ours always has: one more channel, STEADY at every token and read by nothing, makes
each of them a constant factor. Every weight is Tracr's otherwise.

Per program: whether the answers are those of RASP's own interpreter on every prompt looked at; the nodes that were
compiled (with a weight in and one out), and what the model gives with these alone; what the search keeps, and how much
of it was compiled; and of each the battery's checks that count. A search may keep fewer: a one-hot code has a node for
every value, and prompts do not need all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tracr.compiler import compiling, lib  # pyright: ignore[reportMissingImports]
from tracr.rasp import rasp  # pyright: ignore[reportMissingImports]

from circuitlang.circuit.extract import extract
from circuitlang.circuit.find import Finder
from circuitlang.circuit.intervene import Act, run
from circuitlang.claims.battery.checks import CHECKS, measured
from circuitlang.claims.battery.runs import Context
from circuitlang.claims.measure import Meter
from circuitlang.language.program.load import load_text
from circuitlang.language.program.spec import PruneSettings, VerdictSettings
from circuitlang.language.program.task import Task
from circuitlang.model import score
from circuitlang.model.checkpoint import Checkpoint
from circuitlang.model.config import Config
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.generate import Generator
from circuitlang.prompts.tokenizer import Tokenizer, train_tokenizer
from circuitlang.site import PRUNED_PLACES, Node, Place, Site
from circuitlang.storage.cache import Cache

STEADY = 1e4
"""Residual streams of these models have entries of order 1, so that a norm is the same at every token to 1e-7."""
SURE = 6.0
"""Nats between the answer's logit and the others'; Tracr's are 1 and 0, and it takes the largest."""
LENGTH = 8
"""Tokens of a prompt, at most."""
TEXTS = 64  # datapoints behind the means
SETTINGS = PruneSettings(loss=0.07, ablate="mean", steps=60)
SEARCHES: dict[str, PruneSettings] = {
    "found with means": SETTINGS,
    "found with values of the task": replace(SETTINGS, ablate="resample", steps=500),
    "found with values of text": replace(SETTINGS, ablate="resample(text)"),
}


@dataclass(frozen=True)
class Subject:
    """A RASP program, the characters that it reads, and a task that it does. Its answers are spelled by `spell`."""

    program: Callable[[], Any]
    letters: str
    task: str


_LETTERS = 'rule letter = "a" | "b" | "c" | "d"'
SUBJECTS: Mapping[str, Subject] = {
    "shift_by(2)": Subject(
        lambda: lib.shift_by(2, rasp.tokens),
        "abcd",
        f"""task compiled {{
  {_LETTERS}
  prompt "{{letter}}{{letter}}{{letter}}{{back}}{{letter}}{{letter}}"
  case a with back = "a" answer "a"
  case b with back = "b" answer "b"
}}
""",
    ),
    "detect_pattern(ab)": Subject(
        lambda: lib.detect_pattern(rasp.tokens, "ab"),
        "abcd",
        f"""task compiled {{
  {_LETTERS}
  prompt "{{letter}}{{letter}}{{letter}}{{letter}}{{pair}}"
  case there with pair = "ab" answer "1" foil "0"
  case other_start with pair = "cb" answer "0" foil "1"
  case other_end with pair = "ac" answer "0" foil "1"
}}
""",
    ),
    "count(a)": Subject(
        lambda: lib.make_count(rasp.tokens, "a"),
        "abcdef",
        """task compiled {
  rule letter = "b" | "c" | "d" | "e" | "f"
  prompt "{letter}{some}{letter}{letter}{letter}"
  case one with some = "a" answer "1"
  case three with some = "aaa" answer "3"
}
""",
    ),
    "shuffle_dyck": Subject(
        lambda: lib.make_shuffle_dyck(["()"]),
        "()ab",
        """task compiled {
  rule letter = "a" | "b"
  prompt "{letter}({letter}{inner}{letter}{letter})"
  case balanced with inner = "a" answer "1"
  case open with inner = "(" answer "0"
}
""",
    ),
}


def spell(value: Any) -> str:
    return {True: "1", False: "0"}[value] if isinstance(value, bool) else str(value)


def converted(compiled: Any, output: str, tokenizer: Tokenizer) -> Transformer:
    """Tracr's weights in a transformer of ours. `output`: the name of the program's last step."""
    shape, params, labels = compiled.model_config, compiled.params, list(compiled.residual_labels)
    channels, heads, key = len(labels), shape.num_heads, shape.key_size
    each = max(key, math.ceil((channels + 1) / heads))
    config = Config(
        shape.num_layers,
        each * heads,
        heads,
        LENGTH + 1,
        shape.mlp_hidden_size,
        tokenizer.size,
        nonlinearity="relu",
        positions="added",
    )
    model = Transformer(config)
    units = np.concatenate([head * each + np.arange(key) for head in range(heads)])

    def weights(module: str) -> tuple[Tensor, Tensor]:
        """(target, source) and (target)."""
        found = params[module]
        return torch.tensor(np.array(found["w"])).T, torch.tensor(np.array(found["b"]))

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(STEADY / math.sqrt(config.width) if "norm" in name else 0.0)
        model.embed[:, channels] = STEADY
        rows = torch.tensor(np.array(params["token_embed"]["embeddings"]))
        for value, number in compiled.input_encoder.encoding_map.items():
            if value in (compiling.COMPILER_BOS, compiling.COMPILER_PAD):
                ids = [tokenizer.end] if value == compiling.COMPILER_BOS else []
            else:
                ids = tokenizer.encode(value).ids
            for token in ids:
                model.embed[token, :channels] = rows[number]
        assert model.position is not None
        model.position[:, :channels] = torch.tensor(np.array(params["pos_embed"]["embeddings"]))[: LENGTH + 1]
        for value in compiled.output_encoder.encoding_map:
            (token,) = tokenizer.encode(spell(value)).ids
            model.unembed[token, labels.index(f"{output}:{value}")] = SURE
        for layer in range(config.layers):
            own, its = f"attention.{layer}", f"transformer/layer_{layer}/attn"
            for name in ("query", "key", "value"):
                weight, bias = weights(f"{its}/{name}")
                scale = math.sqrt(each / key) if name == "query" else 1.0  # ours divides by sqrt(each)
                model.get_parameter(f"{own}.{name}.weight")[units, :channels] = weight * scale
                model.get_parameter(f"{own}.{name}.bias")[units] = bias * scale
            weight, bias = weights(f"{its}/linear")
            model.get_parameter(f"{own}.out.weight")[:channels][:, units] = weight
            model.get_parameter(f"{own}.out.bias")[:channels] = bias
            for ours, name in (("up", "linear_1"), ("down", "linear_2")):
                weight, bias = weights(f"transformer/layer_{layer}/mlp/{name}")
                model.get_parameter(f"mlp.{layer}.{ours}.weight")[: len(weight), : weight.shape[1]] = weight
                model.get_parameter(f"mlp.{layer}.{ours}.bias")[: len(bias)] = bias
    return model.eval().requires_grad_(False)


def live(model: Transformer) -> tuple[Node, ...]:
    """The nodes with a weight in and one out, within their layer."""
    found: list[Node] = []
    for layer in range(model.config.layers):
        part = f"attention.{layer}"
        q, k, v, out = (
            model.get_parameter(f"{part}.{n}.weight") != 0 for n in ("query", "key", "value", "out")
        )
        up, down = (model.get_parameter(f"mlp.{layer}.{n}.weight") != 0 for n in ("up", "down"))
        there = {
            Place.ATTN_IN: (q | k | v).any(0),
            Place.Q: q.any(1),
            Place.K: k.any(1),
            Place.V: v.any(1) & out.any(0),
            Place.ATTN_OUT: out.any(1),
            Place.MLP_IN: up.any(0),
            Place.NEURON: up.any(1) & down.any(0),
            Place.MLP_OUT: down.any(1),
        }
        for place in PRUNED_PLACES:
            found += [Node(Site(layer, place), int(i)) for i in there[place].nonzero().flatten()]
    return tuple(sorted(found))


def checkpoint_of(name: str, subject: Subject, task: Task) -> tuple[Checkpoint, int]:
    """The model with reference text, and how many prompts were put to it. Raises ValueError where it does not answer
    one as RASP's interpreter does."""
    tokenizer = train_tokenizer([], 257)  # the bytes, and no merges
    program = subject.program()
    compiled = compiling.compile_rasp_to_model(program, set(subject.letters), LENGTH, causal=True)
    labels = [label.rpartition(":")[0] for label in compiled.residual_labels]
    output = next(label for label in labels if label.rpartition("_")[0] == program.name)
    model = converted(compiled, output, tokenizer)
    prompts = [p for d in Generator(task, 0).datapoints("train", range(TEXTS)) for p in d.prompts]
    rows = [[tokenizer.end, *tokenizer.encode(p.text).ids] for p in prompts]
    for prompt, row in zip(prompts, rows, strict=True):
        meant = spell(program(list(prompt.text))[-1])
        (said,) = model(torch.tensor([row]))[:, -1].argmax(1).tolist()
        if not meant == prompt.answer == tokenizer.decode([said]):
            raise ValueError(
                f"{name}: of {prompt.text} RASP says {meant}, the task {prompt.answer}, the model {said}"
            )
    length = min(map(len, rows))
    reference = torch.tensor([row[:length] for row in rows])
    return Checkpoint(name, model, tokenizer, reference, name, {}), len(prompts)


def gates(finder: Finder, meter: Meter, nodes: tuple[Node, ...]) -> str:
    """Which of the battery's checks that count a circuit does not pass."""
    shown = finder.shown(len(nodes))
    graph = extract(finder.checkpoint.model, meter.ablation, nodes, shown, finder.checkpoint.tokenizer)
    context = Context(meter, graph, VerdictSettings(), 0)
    checks = [measured(context, name) for name, row in CHECKS.items() if row.gates]
    return ", ".join(f"{c.name} {c.outcome}" for c in checks if c.outcome != "pass") or "the battery passes"


def main() -> None:
    torch.set_num_threads(1)
    for name, subject in SUBJECTS.items():
        task = load_text(subject.task).tasks["compiled"]
        checkpoint, asked = checkpoint_of(name, subject, task)
        finder = Finder(checkpoint, Generator(task, 0), Cache(None), "")
        meter, select = Meter.of(finder, SETTINGS), finder.prompts("select", 0, TEXTS)
        config, nodes = checkpoint.model.config, live(checkpoint.model)
        whole = score.answer_logits(checkpoint.model, select)
        kept = run(checkpoint.model, select, (Act("keep", nodes),), meter.ablation.of(select))
        apart = float((kept - whole).abs().max())
        print(
            f"{name}: {config.layers} layers, {config.total_nodes:,} nodes, loss {_mean(whole, select):.4f}"
        )
        print(f"  as RASP's interpreter on all of {asked} prompts")
        print(
            f"  compiled: {len(nodes)} nodes, logits differ by at most {apart:.1g}; {gates(finder, meter, nodes)}"
        )
        for kind, settings in SEARCHES.items():
            found = finder.find(settings, 0).pruned
            size = f"{len(found.nodes)} nodes, {len(set(found.nodes) & set(nodes))} of them compiled"
            loss = f"loss {found.loss:.3f} {'reaches' if found.reached else 'misses'} {settings.loss:g}"
            print(f"  {kind}: {size}, {loss}; {gates(finder, meter, found.nodes)}", flush=True)


def _mean(logits: Tensor, batch: Any) -> float:
    return float(score.loss(logits, batch).mean())


if __name__ == "__main__":
    main()
