"""BM25 ranking: what counts as a word, and which text wins."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.engine.bm25 import K1, B, Index, stem, terms, words


def ranked(query, *documents, weights=(1.0,)):
    index = Index([(text,) if isinstance(text, str) else text for text in documents], weights)
    return [hit.position for hit in index.rank(terms(query))]


def test_names_in_snake_kebab_and_camel_case_are_taken_apart():
    assert words("refund_order refund-order refundOrder HTTP2Server") == [
        "refund", "order", "refund", "order", "refund", "order", "http2", "server",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("orders", "order"), ("cities", "city"), ("processes", "process"), ("refunded", "refund"),
        ("cancelled", "cancel"), ("canceled", "cancelled"), ("deleting", "deletion"), ("statuses", "status"),
        ("shipping", "shipped"),
    ],
)  # fmt: skip
def test_forms_of_a_word_meet(one, other):
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("status", "state"), ("class", "clash"), ("cpu", "cup"), ("bus", "but")])
def test_different_words_stay_different(one, other):
    assert stem(one) != stem(other)


def test_scripts_without_spaces_are_compared_by_character():
    assert ranked("北京天气", "天气预报", "订单") == [0]


def test_a_rare_word_weighs_more_than_a_common_one():
    assert ranked("order weather", "order list", "order weather", "order status", "order refund")[0] == 1
    assert ranked("order weather", "weather", "order", "order", "order")[0] == 0


def test_a_field_with_more_weight_wins():
    documents = [("other", "weather"), ("weather", "other")]
    assert ranked("weather", *documents, weights=(3.0, 1.0)) == [1, 0]
    assert ranked("weather", *documents, weights=(1.0, 3.0)) == [0, 1]


def test_a_word_in_a_short_text_weighs_more_than_in_a_long_one():
    assert ranked("weather", "weather " + "and much else " * 20, "weather now") == [1, 0]


def test_equal_scores_keep_the_order_of_the_documents():
    assert ranked("order", "order a", "order b", "order c") == [0, 1, 2]


def test_what_shares_no_word_is_left_out():
    assert ranked("weather", "orders", "weather", "disks") == [1]
    assert ranked("", "orders") == []
    assert Index([], (1.0,)).rank(["order"]) == []


def test_a_query_can_weigh_its_words():
    index = Index([("disk",), ("order",)], (1.0,))
    assert [hit.position for hit in index.rank({"disk": 0.2, "order": 1.0})] == [1, 0]


def test_a_document_with_missing_fields_is_a_bug_and_says_so():
    with pytest.raises(ValueError, match="1 fields, the index 2 weights"):
        Index([("one",)], (1.0, 2.0))


def test_only_as_many_hits_as_are_wanted_are_given():
    index = Index([("order a",), ("order",), ("order b",)], (1.0,))
    assert [hit.position for hit in index.rank(["order"], 2)] == [1, 0]


def test_terms_that_begin_alike_are_related_and_short_ones_are_not():
    index = Index([("authenticator authorise auth aut",), ("authentic cart carton",)], (1.0,))
    assert index.related(stem("authentication")) == [stem("authentic"), stem("authenticator")]
    assert index.related("cart") == []
    assert index.related("unknown") == []


def test_of_a_query_that_would_take_long_the_rarest_terms_are_looked_up():
    index = Index([("order disk",)] * 15_000 + [("order tape",)], (1.0,))
    assert len(index.rank(terms("order"))) == len(index.rank(terms("order tape"))) == 15_001
    assert len(index.rank(terms("order disk tape"))) == 15_001
    assert index.rank(terms("disk order tape"), 1)[0].position == 15_000
    (tape, *others) = index.rank(terms("order disk tape"))
    assert len({one.score for one in others}) == 1  # of one term: those of both would take too long
    assert tape.score > others[0].score


@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=8).map(" ".join), min_size=1, max_size=8),
    st.dictionaries(st.sampled_from("abcdefghi"), st.sampled_from([0.2, 1.0, 3.0]), max_size=5),
)
def test_the_score_is_that_of_the_formula(documents, query):
    """By the definition: for each term its rarity, and how often the document has it, for its length."""
    texts = [document.split() for document in documents]
    mean = sum(map(len, texts)) / len(texts)

    def score(text):
        total = 0.0
        for term, weight in query.items():
            having = sum(term in one for one in texts)
            rarity = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
            often = text.count(term) / (1 - B + B * len(text) / mean) if term in text else 0.0
            total += weight * rarity * often * (K1 + 1) / (often + K1)
        return total

    hits = Index([(document,) for document in documents], (1.0,)).rank(query)
    assert {hit.position: pytest.approx(hit.score) for hit in hits} == {
        at: score(text) for at, text in enumerate(texts) if score(text)
    }


@given(st.lists(st.text(max_size=40), max_size=6), st.text(max_size=40))
def test_any_text_can_be_ranked_and_the_result_is_sorted(documents, query):
    hits = Index([(text,) for text in documents], (1.0,)).rank(terms(query))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(hit.score > 0 for hit in hits)
