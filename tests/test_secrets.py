"""Masking: every form of a secret, wherever a stream is cut."""

import base64
import json
import textwrap
import time
import urllib.parse

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentrun.secrets import MASKED, MIN_CHARS, Masker, forms_of

SECRETS = st.text(st.characters(codec="utf-8"), min_size=MIN_CHARS, max_size=24)
FORMS = {
    "as it is": lambda secret: secret,
    "URL-encoded": lambda secret: urllib.parse.quote(secret, safe=""),
    "in a path": urllib.parse.quote,
    "in a query": urllib.parse.quote_plus,
    "in JSON": lambda secret: json.dumps(secret),
    "in JSON, not ASCII": lambda secret: json.dumps(secret, ensure_ascii=False),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@settings(deadline=None)
@given(secret=SECRETS, around=st.text(max_size=8))
@example(secret='a b/c+d&e="f"\\\n', around="")
def test_a_secret_is_masked(form, secret, around):
    masked = Masker([secret]).text(f"{around}{form(secret)}{around}")
    assert MASKED in masked
    assert form(secret) not in masked.replace(MASKED, "")


@settings(deadline=None)
@given(secret=SECRETS, before=st.binary(max_size=4), after=st.binary(max_size=4), url=st.booleans())
def test_a_secret_inside_of_base64_can_not_be_read(secret, before, after, url):
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    text = encode(before + secret.encode() + after).decode()
    masked = Masker([secret]).text(text)
    assert MASKED in masked
    # What is left holds fewer than two characters of the secret at each end.
    assert len(masked) - len(MASKED) <= len(text) - len(secret.encode()) * 4 // 3 + 3


def test_basic_authentication_is_masked():
    header = base64.b64encode(b"me:hunter2-hunter2").decode()
    assert "aHVudGVy" not in Masker(["hunter2-hunter2"]).text(f"Basic {header}")


def test_lines_of_a_secret_are_masked_by_themselves():
    key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nx\n-----END KEY-----"
    masked = Masker([key]).text("the line MIIEowIBAAKCAQEA of the key")
    assert masked == f"the line {MASKED} of the key"


def test_short_values_are_not_masked():
    assert Masker(["abcde", ""]).text("abcde") == "abcde"
    assert Masker([]).text("abc") == "abc"


def test_a_secret_that_begins_with_another_is_masked_whole():
    assert Masker(["secret-1", "secret-12345"]).text("secret-12345 secret-1") == f"{MASKED} {MASKED}"


def test_a_number_whose_digits_are_a_secret_becomes_text():
    data = {"pin": 48392017, "other": 4839, "float": 48392017.5, "true": True}
    assert Masker(["48392017"]).data(data) == {"pin": "[secret]", "other": 4839, "float": "[secret].5", "true": True}


def test_a_token_is_hidden_from_when_it_comes_until_it_goes():
    masker = Masker(["s3cret-one"])
    assert masker.text("t0ken-one") == "t0ken-one"
    masker.add("t0ken-one")
    assert masker.text("s3cret-one t0ken-one dDBrZW4tb25l") == "[secret] [secret] [secret]"
    assert masker.data({"a": ["t0ken-one"]}) == {"a": ["[secret]"]}
    masker.discard("t0ken-one")
    assert masker.text("s3cret-one t0ken-one") == "[secret] t0ken-one"


@given(st.text("ab", max_size=40))
def test_a_stream_hides_tokens_as_the_whole_text_does(text):
    masker = Masker(["aabbaab"])
    masker.add("bababbb")
    stream = masker.stream()
    assert "".join(map(stream.feed, text)) + stream.flush() == masker.text(text)


def test_a_token_that_holds_a_secret_of_the_files_is_hidden_whole():
    """As a JWT holds the id of its client, in base64."""
    payload = base64.urlsafe_b64encode(b'{"client_id": "order-desk", "exp": 1}').decode().rstrip("=")
    token = f"eyJhbGciOiJIUzI1NiJ9.{payload}.AAECAwQFBgcICQ"
    masker = Masker(["order-desk", "production"])
    masker.add(token)
    masker.add("production_9f8a")
    assert masker.text(f"Bearer {token}, production_9f8a, production") == "Bearer [secret], [secret], [secret]"


def test_two_that_hold_the_same_token_hide_it_until_both_let_go():
    masker = Masker()
    masker.add("t0ken-one")
    masker.add("t0ken-one")
    masker.discard("t0ken-one")
    assert masker.text("t0ken-one") == "[secret]"
    masker.discard("t0ken-one")
    assert masker.text("t0ken-one") == "t0ken-one"


def test_what_is_masked_already_stays_as_it_is():
    masker = Masker(["secret"])
    assert masker.text(masker.text("a secret")) == "a [secret]"


@pytest.mark.parametrize(
    ("secret", "text"),
    [("]hunter2-XyZ", "[secret]hunter2-XyZ"), ("ret]abcd", "x[secret]abcd"), ("[secret]hunter2", "pw [secret]hunter2")],
)
def test_a_secret_that_looks_like_the_mask_is_hidden(secret, text):
    assert secret[-4:] not in Masker([secret]).text(text)
    stream = Masker([secret]).stream()
    assert "".join(map(stream.feed, text)) + stream.flush() == Masker([secret]).text(text)


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("width", [8, 76])
def test_base64_in_lines_is_hidden_in_a_stream_and_where_it_is_cut(size, line_end, width):
    secret = "".join(f"key-{number}-" for number in range(30))
    lines = textwrap.wrap(base64.b64encode(secret.encode()).decode(), width)
    text = f"a {line_end.join(lines)}{line_end} b"
    stream = Masker([secret]).stream()
    shown = "".join(stream.feed(text[at : at + size]) for at in range(0, len(text), size)) + stream.flush()
    assert shown == Masker([secret]).text(text)
    assert lines[0][:20] not in shown
    cut = Masker([secret]).stream().feed(text[:150])
    assert cut in ("a ", "a")


def test_data_is_masked_in_keys_and_values():
    data = {"k": ["x secret-1", 5, None, {"secret-1": True}], "t": ("secret-1",)}
    assert Masker(["secret-1"]).data(data) == {"k": [f"x {MASKED}", 5, None, {MASKED: True}], "t": [MASKED]}


# -- streams ------------------------------------------------------------------------------------------------


def streamed(masker, pieces):
    stream = masker.stream()
    return [*map(stream.feed, pieces), stream.flush()]


ALPHABET = "ab[secrt]"
LIKE_SECRETS = st.lists(st.text(ALPHABET, min_size=MIN_CHARS, max_size=10), min_size=1, max_size=3)


@st.composite
def cut_texts(draw):
    """Texts that are made of secrets and pieces of them, cut anywhere."""
    secrets = draw(LIKE_SECRETS)
    piece = st.sampled_from(secrets).flatmap(
        lambda one: st.tuples(st.integers(0, len(one)), st.integers(0, len(one))).map(
            lambda ends: one[slice(*sorted(ends))]
        )
    )
    pieces = draw(st.lists(piece | st.sampled_from(secrets) | st.text(ALPHABET, max_size=4), max_size=8))
    text = "".join(pieces)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return secrets, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@settings(deadline=None)
@given(cut_texts())
@example((["abcdef", "abcdefgh"], ["abcdef", "gh"]))
@example((["abcdef", "efxxxx"], ["abcdef", "y"]))
def test_a_stream_gives_what_the_whole_text_would(drawn):
    secrets, pieces = drawn
    masker = Masker(secrets)
    assert "".join(streamed(masker, pieces)) == masker.text("".join(pieces))


def test_what_can_not_become_a_secret_is_not_held_back():
    assert streamed(Masker(["secret-1"]), ["Hello ", "wor", "ld, s", "ee"]) == ["Hello ", "wor", "ld, ", "see", ""]


def test_a_long_secret_does_not_make_a_stream_slow():
    key = "\n".join(
        ["-----BEGIN KEY-----", *[f"{n:02}" + "MIIEowIBAAKCAQEAx" * 3 for n in range(30)], "-----END KEY-----"]
    )
    masker = Masker([key])
    began = time.monotonic()
    streamed(masker, ["the quick brown fox - "] * 500)
    assert time.monotonic() - began < 1


def test_forms_are_those_that_can_be_told():
    assert {"secret key", "secret%20key", "secret+key"} <= forms_of("secret key")
