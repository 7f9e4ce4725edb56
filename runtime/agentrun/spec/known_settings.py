"""The settings that the APIs take, by their reference pages, and those of other services that speak the same APIs."""

from __future__ import annotations

_SHARED = "temperature top_p metadata service_tier stream"
_CHAT = (
    "audio frequency_penalty logit_bias logprobs max_completion_tokens max_tokens modalities n prediction "
    "presence_penalty prompt_cache_key prompt_cache_retention reasoning_effort safety_identifier seed stop store "
    "stream_options top_logprobs user verbosity web_search_options response_format tool_choice parallel_tool_calls"
)
_RESPONSES = (
    "background include instructions max_output_tokens max_tool_calls prompt prompt_cache_key prompt_cache_retention "
    "reasoning safety_identifier store stream_options text top_logprobs truncation user tool_choice "
    "parallel_tool_calls"
)
_MESSAGES = (
    "cache_control container context_management inference_geo max_completion_tokens max_tokens mcp_servers "
    "output_config stop_sequences thinking tool_choice top_k"
)
KNOWN_SETTINGS: dict[str, tuple[str, ...]] = {
    "chat_completions": tuple(f"{_SHARED} {_CHAT}".split()),
    "responses": tuple(f"{_SHARED} {_RESPONSES}".split()),
    "anthropic_messages": tuple(f"{_SHARED} {_MESSAGES}".split()),
}

# Of other services that speak these APIs: not misspelt, however near they are to those above.
_OTHER_NAMES = (
    "best_of cache_prompt chat_template_kwargs do_sample enable_thinking extra_body format guided_json "
    "guided_regex ignore_eos include_reasoning keep_alive length_penalty max_new_tokens min_p min_tokens mirostat "
    "models n_predict num_ctx num_predict options plugins prompt_logprobs prompt_mode provider random_seed "
    "reasoning_format reasoning_split repeat_penalty repetition_penalty route safe_prompt search_parameters "
    "skip_special_tokens stop_token_ids structured_outputs tfs_z think thinking top_a top_k transforms typical_p "
    "use_beam_search"
)
OF_OTHERS = frozenset(_OTHER_NAMES.split())
