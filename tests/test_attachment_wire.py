"""Attached files as each model API gets them, against a real server on the loopback interface, and in cassettes."""

import base64

import pytest

import agentrun
from agentrun.cassettes.cassette import Cassette
from agentrun.cassettes.player import Player
from agentrun.cassettes.reading import cassette_of
from agentrun.cassettes.recorder import Recorder
from agentrun.cassettes.writing import text_of
from agentrun.engine.attached import data_url
from agentrun.engine.messages import Message, user
from agentrun.errors import ModelError, UsageError
from agentrun.models.anthropic_blocks import user_blocks
from agentrun.models.history import repair
from anthropic_stream import said
from media_files import pdf, png
from projects import write_project
from responses_events import message, streamed
from servers import ModelServer, sse, status

PNG, PDF = png(80, 60), pdf()
LABEL = 'Attached image: "shot.png"'
ENDS = '\nwords\n\n</attached_file id="'
CACHED = {"cache_control": {"type": "ephemeral"}}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shot.png").write_bytes(PNG)
    (tmp_path / "invoice.pdf").write_bytes(PDF)
    (tmp_path / "notes.txt").write_text("words\n")
    return tmp_path


def agent(here, model):
    write_project(here, {"agents/a.yaml": f"model: {model}\nsystem_prompt: You help.\n"})
    return agentrun.load("a", environ={})


def asked(here, api, base_url, *, name="x", text="What is it?", messages=None, more=""):
    model = f"{{name: {name}, api: {api}, base_url: '{base_url}', api_key: none, max_retries: 0{more}}}"
    files = ["shot.png", "invoice.pdf", "notes.txt"]
    return agentrun.run_sync(agent(here, model), text, attach=files, messages=messages)


def test_chat_completions_gets_them_before_the_text(here):
    with ModelServer([sse(text="An invoice."), sse(text="Yes.")]) as server:
        messages = []
        outcome = asked(here, "chat_completions", server.base_url, messages=messages)
        again = agentrun.run_sync(agent(here, f"{{name: x, base_url: '{server.base_url}', api_key: none}}"), "Sure?",
                                  messages=messages)  # fmt: skip
    assert (outcome.text, again.text) == ("An invoice.", "Yes.")
    first, second = (one.json["messages"] for one in server.requests)
    label, image, file, text, own = first[1]["content"]
    assert label == {"type": "text", "text": LABEL}
    assert image == {"type": "image_url", "image_url": {"url": data_url("image/png", PNG)}}
    assert file == {
        "type": "file",
        "file": {"filename": "invoice.pdf", "file_data": data_url("application/pdf", PDF)},
    }
    assert text["type"] == "text"
    assert ENDS in text["text"]
    assert own == {"type": "text", "text": "What is it?"}
    assert second[:2] == first  # the beginning stays the same bytes, so that a prompt cache finds it
    assert server.requests[1].body.startswith(server.requests[0].body.partition(b"]")[0][:500])


def test_the_responses_api_gets_them_as_its_own_items(here):
    with ModelServer([streamed(message("An invoice."))]) as server:
        assert asked(here, "responses", server.base_url).text == "An invoice."
    content = server.requests[0].json["input"][1]["content"]
    assert content[:3] == [
        {"type": "input_text", "text": LABEL},
        {"type": "input_image", "image_url": data_url("image/png", PNG), "detail": "auto"},
        {"type": "input_file", "filename": "invoice.pdf", "file_data": data_url("application/pdf", PDF)},
    ]
    assert ENDS in content[3]["text"]
    assert content[4:] == [{"type": "input_text", "text": "What is it?"}]


def test_anthropic_gets_them_as_blocks_and_the_last_one_is_marked_for_the_cache(here):
    with ModelServer([said("An invoice.")]) as server:
        assert asked(here, "anthropic_messages", server.base_url.removesuffix("/v1")).text == "An invoice."
    content = server.requests[0].json["messages"][0]["content"]
    assert content[:3] == [
        {"type": "text", "text": LABEL},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()},
        },
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(PDF).decode()},
            "title": "invoice.pdf",
        },
    ]
    assert ENDS in content[3]["text"]
    assert content[4:] == [{"type": "text", "text": "What is it?", **CACHED}]


def test_a_fallback_of_another_api_gets_them_in_its_form(here):
    with ModelServer([status(503), said("An invoice.")]) as server:
        other = f"{{name: c, api: anthropic_messages, base_url: 'http://127.0.0.1:{server.port}', api_key: none}}"
        outcome = asked(here, "chat_completions", server.base_url, more=f", fallback: [{other}]")
    assert outcome.text == "An invoice."
    assert [one["type"] for one in server.requests[1].json["messages"][0]["content"]] == [
        "text", "image", "document", "text", "text",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (png(9000, 10), "an image of 9000 × 10 pixels: at most 8000 × 8000 go to Anthropic's API"),
        (png(noise=8_000_000), "an image of 8 MB: at most 7.9 MB go to Anthropic's API"),
    ],
)
def test_an_image_that_anthropic_refuses_is_told_before_anything_is_sent(here, image, told):
    (here / "shot.png").write_bytes(image)
    with ModelServer([]) as server:
        outcome = asked(here, "anthropic_messages", server.base_url.removesuffix("/v1"))
    assert server.requests == []
    assert outcome.reason == "model_error"
    assert told in outcome.error["message"]
    assert outcome.error["help"] == "Make it smaller."


def test_an_image_of_the_largest_size_goes_to_anthropic():
    for image in (png(8000, 8000), png(noise=7_863_000)):
        part = {"type": "image_url", "image_url": {"url": data_url("image/png", image)}}
        assert user_blocks([part])[0]["type"] == "image"


def test_an_image_that_is_no_base64_is_left_to_the_service():
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,A"}}
    assert user_blocks([part])[0]["source"]["data"] == "A"


def test_a_broken_history_keeps_its_files_when_it_is_mended(here):
    parts = agentrun_parts("shot.png")
    orphan = Message({"role": "tool", "tool_call_id": "c1", "content": "late"})
    said_with = user("What is it?", parts)
    assert repair([said_with, orphan]) == [said_with]


def agentrun_parts(*paths):
    from agentrun.attachments import read_attachments

    return [part for one in read_attachments(paths) for part in one.parts]


def test_a_file_that_can_not_be_attached_is_told_before_anything_is_sent(here):
    with ModelServer([]) as server, pytest.raises(UsageError, match=r"there is no file `gone\.png`"):
        one = agent(here, f"{{name: x, base_url: '{server.base_url}', api_key: none}}")
        agentrun.run_sync(one, "hi", attach=["gone.png"])
    assert server.requests == []


def test_what_a_service_says_of_a_file_that_it_refuses_is_told(here):
    with ModelServer([status(400, "Invalid content type. image_url is only supported by certain models.")]) as server:
        outcome = asked(here, "chat_completions", server.base_url)
    assert outcome.reason == "model_error"
    assert "image_url is only supported by certain models" in outcome.error["message"]


# -- cassettes


def recorded(here, files):
    one = agent(here, "{api: scripted, script: [{content: An invoice.}]}")
    tape = Recorder("a", one.mask, date="2026-03-10")
    agentrun.run_sync(one, "What is it?", attach=files, journal=tape)
    return text_of(Cassette((tape.conversation(),)))


def replayed(here, text, files):
    one = agent(here, "{api: scripted, script: []}")
    player = Player(cassette_of("a.yaml", text.encode()).conversations[0], one.mask)
    return agentrun.run_sync(one, "What is it?", attach=files, journal=player)


def test_a_cassette_holds_no_bytes_of_a_file_and_plays_with_the_same_one(here):
    (here / "shot.png").write_bytes(png(noise=1_000_000))
    text = recorded(here, ["shot.png", "invoice.pdf", "notes.txt"])
    assert len(text) < 3000
    assert "data:image/png (1000" in text
    assert replayed(here, text, ["shot.png", "invoice.pdf", "notes.txt"]).text == "An invoice."


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (["shot.png"], [], "`shot.png` is not attached, and was when it was recorded"),
        ([], ["shot.png"], "`shot.png` is attached, and was not when it was recorded"),
        (["shot.png", "notes.txt"], ["shot.png"], "`notes.txt` is not attached, and was when it was recorded"),
        (
            ["invoice.pdf"],
            ["notes.txt"],
            "another file is attached: recorded invoice.pdf (PDF, 100 bytes), now notes.txt (text, 6 bytes)",
        ),
    ],
)
def test_a_replay_with_other_files_says_which(here, then, now, told):
    outcome = replayed(here, recorded(here, then), now)
    assert outcome.error["type"] == "cassette_miss"
    assert told in outcome.error["message"]
    assert "base64" not in outcome.error["message"]


@pytest.mark.parametrize("name", ["shot.png", "invoice.pdf", "notes.txt"])
def test_a_file_that_changed_since_is_told(here, name):
    text = recorded(here, [name])
    with (here / name).open("ab") as file:
        file.write(b"more\n")
    message = replayed(here, text, [name]).error["message"]
    assert f"the attached file has another content: recorded {name} (" in message
    assert message.count(name) == 2


def test_a_cassette_that_holds_the_bytes_plays_too(here):
    (here / "shot.png").write_bytes(png(noise=600))
    whole = (here / "shot.png").read_bytes()
    text = recorded(here, ["shot.png"])
    start, end = text.index("data:image/png ("), text.index(")", text.index("sha256"))
    written_out = text[:start] + data_url("image/png", whole) + text[end + 1 :]
    assert replayed(here, written_out, ["shot.png"]).text == "An invoice."


def test_an_unsupported_part_stays_an_error_of_its_own():
    with pytest.raises(ModelError) as caught:
        user_blocks([{"type": "input_audio"}])
    assert caught.value.code == "unsupported_content"
