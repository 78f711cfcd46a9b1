"""Prompt + tokenizer + context -> the ids of its answer and foils, one token each; or what does not fit. No numpy."""

from __future__ import annotations

import re

from circuitlang.prompts.prompt import Prompt
from circuitlang.prompts.tokenizer import Encoded, Tokenizer
from circuitlang.source.diagnostic import CommandError

NOT_ONE_TOKEN, TOO_LONG = "CIR-210", "CIR-211"


class TokenError(CommandError):
    """A prompt that this tokenizer or context cannot take. `case`: the name of the case that it is one of; `remedy`:
    what would fit, where that is known."""

    def __init__(self, code: str, message: str, case: str, remedy: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.case = case
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[TokenError], tuple[str, str, str, str]]:
        """A worker hands it on whole."""
        return TokenError, (self.code, str(self), self.case, self.remedy)


def fitting(
    prompt: Prompt,
    ids: Encoded,
    tokenizer: Tokenizer,
    context: int,
    known: dict[tuple[str, str], int],
) -> tuple[int, list[int]]:
    """The ids of the answer and of the foils behind a prompt, `ids` being the prompt's own. Raises TokenError."""
    if len(ids.ids) + 1 > context:
        raise TokenError(
            TOO_LONG,
            f"a prompt of case `{prompt.case}` has {len(ids.ids) + 1} tokens; the model's context is {context}",
            prompt.case,
        )
    answer = one_token(tokenizer, prompt, ids, prompt.answer, known)
    foils = [one_token(tokenizer, prompt, ids, foil, known) for foil in prompt.foils]
    if len({answer, *foils}) <= len(foils):
        texts = dict[int, str]()
        for token, text in zip((answer, *foils), (prompt.answer, *prompt.foils), strict=True):
            if token in texts:
                raise TokenError(
                    NOT_ONE_TOKEN,
                    f"{texts[token]!r} and {text!r}, answer and foil of case `{prompt.case}`, are one "
                    f"token, {tokenizer.decode([token])!r}: the model cannot choose between them",
                    prompt.case,
                )
            texts[token] = text
    return answer, foils


_WORD_ENDS = re.compile(r"(?s:.*)[A-Za-z0-9](?=[\x00-/:-@\[-`{-\x7f])")
"""Up to the last word or number that something else follows: there a token ends, whatever comes after, if the tokenizer
`splits_behind_words`."""


def one_token(
    tokenizer: Tokenizer,
    prompt: Prompt,
    ids: Encoded,
    answer: str,
    known: dict[tuple[str, str], int],
) -> int:
    """The id of `answer` after the prompt. `known` remembers what the same ending and answer gave before."""
    word = _WORD_ENDS.match(prompt.text) if tokenizer.splits_behind_words else None
    key = prompt.text[word.end() if word else 0 :], answer
    if key not in known:
        whole = tokenizer.encode(prompt.text + answer).ids
        if whole[:-1] != ids.ids:
            more = [tokenizer.decode([token]) for token in whole[-4:]]
            what = "answer" if answer == prompt.answer else "foil"
            raise TokenError(
                NOT_ONE_TOKEN,
                f"the {what} {answer!r} of case `{prompt.case}` is not one token after the prompt: "
                f"the text ends in the tokens {', '.join(map(repr, more))}",
                prompt.case,
                _remedy(tokenizer, prompt.text, answer),
            )
        known[key] = whole[-1]
    return known[key]


def _remedy(tokenizer: Tokenizer, text: str, answer: str) -> str:
    """Most tokens of words begin with the space in front of the word; a prompt that ends in it has it already."""
    bare = text.rstrip(" ")
    if bare == text or answer.startswith(" "):
        return ""
    before, whole = tokenizer.encode(bare).ids, tokenizer.encode(f"{bare} {answer}").ids
    fits = whole[:-1] == before
    return f"let the prompt end before its last space, and answer {' ' + answer!r}" if fits else ""
