"""The quick test whether a text belongs to a split is the definition."""

from hypothesis import given
from hypothesis import strategies as st

from circuitlang.prompts.prompt import SPLITS
from circuitlang.prompts.split import Feature

features = st.builds(
    Feature,
    st.sampled_from(["text", "all", "set", "first", "last"]),
    st.sampled_from(["whole", "before", "after"]),
    st.text("a =é", min_size=1),
    st.integers(1, 4),
)
texts = st.one_of(st.text(), st.text("ab_0 \n\t(=\x1c\x85\xa0é\ud800"))


@given(features, texts)
def test_a_text_belongs_to_its_split_alone(feature, text):
    assert [split for split in SPLITS if feature.belongs(split)(text)] == [feature.split_of(text)]
