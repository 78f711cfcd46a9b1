"""Seconds and nodes of the search for a circuit, beside learning tau alone and bisecting by tau (as the paper does).

`python -m benchmarks.pruning [--model zoo:NAME --task NAME]`; without a model, one with a planted circuit of three
nodes per layer among noise. Both searches see the same prompts, draw the same batches, learn with the same settings
and one penalty, and must meet the same target on the same `select` prompts. One thread, processor seconds, and how
many of them each stage of the search took.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
import torch

from circuitlang.circuit import prune as search
from circuitlang.circuit.ablation import Ablation, means_over_text
from circuitlang.circuit.losses import per_prompt_loss
from circuitlang.circuit.mask import Mask
from circuitlang.language.program.load import load as load_program
from circuitlang.language.program.spec import PruneSettings
from circuitlang.model import score
from circuitlang.model.checkpoint import load
from circuitlang.model.config import Config
from circuitlang.model.locate import locate
from circuitlang.model.transformer import Transformer
from circuitlang.prompts.encode import Batch, encode
from circuitlang.prompts.generate import Generator
from circuitlang.site import Node

ROOT = Path(__file__).resolve().parent.parent
MARGIN = 4.0
"""Nats by which the planted model prefers the right answer: sure, but with something left to lose."""
Problem = tuple[Transformer, Ablation, search.Draw, Batch]


def planted(layers: int, width: int, selected: int) -> Problem:
    """Channel 0 tells token 1 from token 2; layer after layer a value of head 0 carries it on to the next channel."""
    config = Config(layers, width, max(1, width // 16), 32, 4 * width, 64, activations=0.5)
    model = Transformer(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.04)
        model.embed[:, :-1] *= 0.2
        model.embed[:, -1] = 0.4  # what every token has, so that the norms are steady
        model.embed[1, 0], model.embed[2, 0] = 1, -1
        for layer in range(layers):
            part = f"attention.{layer}"
            model.get_parameter(f"{part}.value.weight")[0, layer] = 0.5
            model.get_parameter(f"{part}.out.weight")[layer + 1, 0] = 0.5  # so that no norm saturates
        model.unembed[3, layers], model.unembed[4, layers] = 0.7, -0.7
    model.requires_grad_(False)

    def draw(start: int, count: int) -> Batch:
        rest = [np.random.default_rng(i).integers(5, 64, 6) for i in range(start, start + count)]
        rows = np.array([[0, first, *row] for row in rest for first in (1, 2)])
        answer = np.array([3, 4] * count)
        end = np.full(2 * count, rows.shape[1] - 1)
        return Batch(rows, end, answer, (7 - answer)[:, None], answer < 0, False, 2, ({},) * len(rows))

    select = draw(1 << 20, selected)
    candidates = score.candidates(score.answer_logits(model, select), select)
    model.unembed[3:5] *= MARGIN / (candidates[:, 0] - candidates[:, 1]).mean()
    reference = torch.randint(0, 64, (64, 16), generator=generator)
    return model, Ablation(means_over_text(model, reference)), draw, select


def of_checkpoint(name: str, task: str, selected: int) -> Problem:
    checkpoint = load(locate(name, ROOT), name)
    model = checkpoint.model
    generator = Generator(load_program(ROOT / "tasks" / "python.task").tasks[task], 0)

    def draw(start: int, count: int) -> Batch:
        points = list(generator.datapoints("train", range(start, start + count)))
        return encode(points, checkpoint.tokenizer, model.config.context)

    select = encode(
        list(generator.datapoints("select", range(selected))), checkpoint.tokenizer, model.config.context
    )
    return model, Ablation(means_over_text(model, checkpoint.reference)), draw, select


def by_tau(problem: Problem, settings: PruneSettings, seed: int) -> tuple[int, float, bool]:
    """Learns tau, then the shortest prefix of the nodes by tau that meets the target: (nodes, loss, whether it does).

    Nodes whose taus are equal, as many are at the bounds of [-1, 1], go in the order of computation.
    """
    model, rest, draw, select = problem
    sites = model.config.sites()
    sizes = [model.config.size(site) for site in sites]
    noise = torch.randn(sum(sizes), generator=torch.Generator().manual_seed(seed))
    tau = (search.INITIAL + search.NOISE * noise).clamp(-1, 1).requires_grad_()
    optimizer = torch.optim.AdamW([tau], lr=settings.learning_rate, betas=(0.9, 0.95), weight_decay=1e-3)
    for i in range(settings.steps):
        optimizer.param_groups[0]["lr"] = settings.learning_rate * (1 - i / settings.steps)
        keep = search.step(tau, settings.temperature)
        mask = Mask(dict(zip(sites, keep.split(sizes), strict=True)), rest.mean)
        batch = draw(i * settings.batch, settings.batch)
        loss = (
            score.loss(score.answer_logits(model, batch, mask), batch).mean()
            + settings.penalty[0] * keep.sum()
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([tau], 1.0)
        optimizer.step()
        with torch.no_grad():
            tau.clamp_(-1, 1)
    nodes = [Node(site, i) for site, size in zip(sites, sizes, strict=True) for i in range(size)]
    order = [nodes[i] for i in tau.detach().argsort(descending=True, stable=True).tolist()]

    def measure(k: int) -> tuple[float, bool]:
        values = per_prompt_loss(model, rest, order[:k], select).double()
        pairs = values.view(-1, select.cases).mean(1)
        error = float(pairs.std()) / len(pairs) ** 0.5
        return float(values.mean()), float(values.mean()) + search.MARGIN * error <= settings.loss

    low, high = 0, len(order)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if measure(middle)[1] else (middle, high)
    return high, *measure(high)


class Stages:
    """Processor seconds by stage, from what a search reports: each report ends a piece of its stage."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._last = process_time()

    def __call__(self, stage: str, _share: float) -> None:
        now = process_time()
        self.seconds[stage] += now - self._last
        self._last = now

    def line(self) -> str:
        return ", ".join(f"{stage} {spent:.2f}" for stage, spent in self.seconds.items())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="zoo:NAME or a folder; without it, a planted circuit")
    parser.add_argument("--task", default="single_double_quote", help="of tasks/python.task")
    usual = {"layers": 2, "width": 32, "select": 128, "steps": 150, "batch": 16, "seeds": 2}
    for name, value in usual.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--penalty", type=float, default=3e-3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.model:
        problem = of_checkpoint(options.model, options.task, options.select)
    else:
        problem = planted(options.layers, options.width, options.select)
    settings = PruneSettings(
        ablate="mean", steps=options.steps, batch=options.batch, penalty=(options.penalty,)
    )
    config = problem[0].config
    print(
        f"{config.layers} layers, width {config.width}, {config.total_nodes:,} nodes, target {settings.loss}, 1 thread"
    )
    print(f"{'seed':>4}  {'search':14}{'seconds':>9}{'nodes':>7}{'loss':>8}  reached")
    search.prune(*problem, replace(settings, steps=2), 0)  # what only the first run pays
    totals, compared = np.zeros((2, 2)), 0
    for seed in range(options.seeds):
        start, stages = process_time(), Stages()
        found = search.prune(*problem, replace(settings, seeds=(seed,)), seed, stages)
        stages("choosing the size", 1.0)  # which reports nothing
        middle = process_time()
        tau = by_tau(problem, settings, seed)
        rows = (
            ("circuitlang", middle - start, len(found.nodes), found.loss, found.reached),
            ("tau alone", process_time() - middle, *tau),
        )
        for name, spent, nodes, loss, reached in rows:
            print(f"{seed:>4}  {name:14}{spent:>9.2f}{nodes:>7}{loss:>8.3f}  {'yes' if reached else 'no'}")
        print(f"      circuitlang's: {stages.line()}")
        if found.reached and tau[-1]:
            compared += 1
            totals += [[spent, nodes] for _, spent, nodes, _, _ in rows]
    print(f"both reach the target with {compared} of {options.seeds} seeds", end="")
    if compared:
        seconds, nodes = totals[1] / totals[0]
        print(
            f"; there, tau alone takes {seconds:.2f} times the seconds and keeps {nodes:.2f} times the nodes",
            end="",
        )
    print()


if __name__ == "__main__":
    main()
