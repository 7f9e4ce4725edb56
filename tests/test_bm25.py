"""BM25 ranking: what counts as a word, and which text wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.engine.bm25 import Index, stem, terms, words


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


@given(st.lists(st.text(max_size=40), max_size=6), st.text(max_size=40))
def test_any_text_can_be_ranked_and_the_result_is_sorted(documents, query):
    hits = Index([(text,) for text in documents], (1.0,)).rank(terms(query))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(hit.score > 0 for hit in hits)
