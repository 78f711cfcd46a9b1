"""What a table of pairs and what copying guess: counted by hand, and the laws that hold of any text."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from circuitlang.prompts.predictable import Predictable, predictable

documents = st.lists(st.lists(st.sampled_from("abcd"), max_size=12), max_size=8)


def test_by_hand():
    table = ["a", "b", "a", "b", "a", "c"]  # after a comes b, after b comes a; after c nothing is known
    guessed = ["a", "b", "a", "c", "a", "c"]  # by the table: ab ba -- ca -- ; by copying: ac, the last pair
    found = predictable([table, guessed])
    assert found == Predictable(5, table=2 / 5, copying=1 / 5, alone=1 / 5)


def test_nothing_is_guessed_of_nothing():
    assert predictable([]) == predictable([["a"], ["b"]]) == Predictable(0, 0.0, 0.0, 0.0)


@given(documents)
def test_shares_are_shares_of_the_guessed_tokens(texts):
    found = predictable(texts)
    assert found.tokens == sum(len(list(pairwise(text))) for text in texts[1::2])
    assert 0 <= found.alone <= found.copying <= 1
    assert found.alone <= 1 - found.table


@given(documents, st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True))
def test_a_text_said_over_and_over_is_copied_but_for_the_first_time(texts, said):
    found = predictable([["x"], said * 5])
    assert found.copying * found.tokens == 4 * len(said) - 1
    assert found.table == 0


@given(documents)
def test_renaming_each_document_s_tokens_changes_no_copying(texts):
    """Copying is of a document's own: other names in each leave it, and leave the table nothing to know."""
    renamed = [[f"{number} {token}" for token in text] for number, text in enumerate(texts)]
    before, after = predictable(texts), predictable(renamed)
    assert after.copying == after.alone == before.copying
    assert after.table == 0
