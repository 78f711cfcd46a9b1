"""Logits to one number per prompt; pruning and claims use the same functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from circuitlang.model.transformer import Edit, Known, Transformer, unchanged
from circuitlang.prompts.encode import NO_FOIL, Batch

PROMPTS_AT_ONCE = 64
"""Prompts of one forward pass while measuring. Fixed, so that sums are taken in one order on every machine; few, as the
values of all nodes on as many donors are held at a time."""


def answer_logits(
    model: Transformer, batch: Batch, edit: Edit = unchanged, known: Known | None = None
) -> Tensor:
    """(prompt, vocabulary) logits at the position where the answer is predicted."""
    device = model.embed.device
    tokens, end = torch.from_numpy(batch.tokens).to(device), torch.from_numpy(batch.end).to(device)
    return model(tokens, edit, end, known)


def candidates(logits: Tensor, batch: Batch) -> Tensor:
    """(prompt, 1 + foil): the answer's logit, then the foils'; -inf where a prompt has fewer foils."""
    answer = torch.from_numpy(batch.answer).to(logits.device).unsqueeze(1)
    foils = torch.from_numpy(batch.foils).to(logits.device)
    picked = logits.gather(1, torch.cat([answer, foils.clamp(min=0)], 1))
    absent = F.pad(foils == NO_FOIL, (1, 0))
    return picked.masked_fill(absent, -torch.inf)


def loss(logits: Tensor, batch: Batch) -> Tensor:
    """(prompt) cross-entropy in nats between the answer and its foils; chance is ln 2 for two of them.

    Restricted to them, not over the vocabulary, so that probability moving among tokens the task never mentions does
    not count (Gao et al.'s contrast loss, halved: theirs is the sum over a pair). One-sided tasks: -log p(x) where `x`
    is the answer and -log(1 - p(x)) where it is not, p over the whole vocabulary.
    """
    found = sides(logits, batch)
    return -(found if batch.one_sided else found.log_softmax(1))[:, 0]


def sides(logits: Tensor, batch: Batch) -> Tensor:
    """(prompt, answer and foils): what the loss is the softmax of, the right one first; in a one-sided task the
    log-probabilities of what is right and of what is wrong."""
    if not batch.one_sided:
        return candidates(logits, batch)
    answer = torch.from_numpy(batch.answer).to(logits.device).unsqueeze(1)
    log_p = logits.log_softmax(1).gather(1, answer)
    other = torch.log1p(-log_p.exp().clamp(max=1 - 1e-7))
    negated = torch.from_numpy(batch.negated).to(logits.device).unsqueeze(1)
    return torch.where(negated, torch.cat([other, log_p], 1), torch.cat([log_p, other], 1))


def choice(logits: Tensor, batch: Batch) -> Tensor:
    """(prompt) which candidate is chosen: 0 the answer, i the i-th foil; the first of equals is the last resort, so an
    answer that only ties with a foil is not chosen."""
    if not batch.one_sided:
        scores = candidates(logits, batch)
        return torch.where((scores[:, :1] > scores[:, 1:]).all(1), 0, scores[:, 1:].argmax(1) + 1)
    answer = torch.from_numpy(batch.answer).to(logits.device)
    says = logits.softmax(1).gather(1, answer.unsqueeze(1)).squeeze(1) >= 0.5
    return torch.where(says == torch.from_numpy(batch.negated).to(logits.device), 1, 0)


def correct(logits: Tensor, batch: Batch) -> Tensor:
    """(prompt) 1 where the choice is right, else 0."""
    return (choice(logits, batch) == 0).float()


def mass(logits: Tensor, batch: Batch) -> Tensor:
    """(prompt) probability of answer and foils together, over the whole vocabulary."""
    return (candidates(logits, batch) - logits.logsumexp(1, keepdim=True)).exp().sum(1).clamp(max=1.0)


def probability(logits: Tensor, batch: Batch) -> Tensor:
    """(prompt) of the answer, over the whole vocabulary; of everything else where the answer is what must not come."""
    answer = torch.from_numpy(batch.answer).to(logits.device)
    p = logits.softmax(1).gather(1, answer.unsqueeze(1)).squeeze(1)
    return torch.where(torch.from_numpy(batch.negated).to(logits.device), 1 - p, p)
