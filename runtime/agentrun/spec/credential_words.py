"""By which names, values and addresses a credential is known. Pure."""

from __future__ import annotations

import re

from agentrun.secrets import MASKED

# Forms that only a real key has: those of providers, and a bearer token written out.
KEY = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{20,}|A(?:KIA|SIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,}"
    r"|xox[abeprs]-[A-Za-z0-9-]{20,}|xapp-[A-Za-z0-9-]{20,}|glpat-[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,}"
    r"|AIza[A-Za-z0-9_-]{35}|[rs]k_live_[A-Za-z0-9]{20,}|whsec_[A-Za-z0-9+/]{30,}|gsk_[A-Za-z0-9]{40,}"
    r"|xai-[A-Za-z0-9]{40,}|npm_[A-Za-z0-9]{36}|pypi-AgEI[A-Za-z0-9_-]{40,}|dckr_pat_[A-Za-z0-9_-]{20,}"
    r"|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|ATATT3[A-Za-z0-9_=-]{40,}"
    r"|lin_api_[A-Za-z0-9]{32,}|glsa_[A-Za-z0-9_]{32,}|hv[sb]\.[A-Za-z0-9_-]{20,}|dop_v1_[a-f0-9]{64}"
    r"|hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}"
    r"|discord(?:app)?\.com/api/webhooks/\d{15,}/[A-Za-z0-9_-]{40,}"
    r"|eyJ[A-Za-z0-9_-]{15,2000}\.eyJ[A-Za-z0-9_-]{15,9000}\.[A-Za-z0-9_-]{20,})"
    r"|\bBearer +[A-Za-z0-9._~+/-]{16,}|\bbot\d{8,10}:AA[A-Za-z0-9_-]{33}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
SHORTEST_KEY = 20
# What a text shows in place of a key: words, one character over and over, an open end.
_NO_KEY = re.compile(
    r"(?i).*(?:example|placeholder|redacted|change.?me|x{5}|\*{3}|\.{3}|\byour|_your)|.*(.)\1{7}"
    r"|(?-i:(?:sk-|Bearer +)[a-z]+(?:[-_./][a-z]+)*\.?$|(?:sk-|Bearer +)[A-Z]+(?:[-_][A-Z]+)*$)"
)
_CAMEL = r"(?<=[a-z0-9])(?=[A-Z])"
_CREDENTIAL = (
    r"(?:^|-)(?:(?:proxy-)?authorization|bearer|cookie|credentials?|pwd|secret|token"
    r"|(?:access|api|app|auth|private|secret|service|subscription)-key)$"
    r"|(?:accesstoken|apikey|authtoken|passphrase|passwd|password)$"
)
_NO_CREDENTIAL = r"(?:^|-)(?:continuation|csrf|cursor|device|next|page|paging|sync|xsrf)-token$"
_QUERY_ONLY = ("appid", "auth", "key", "sig", "signature")
_DUMMY = (
    r"x*|(?:no|not|un)?(?:key)?(?:needed|required|used|set)?|llama(?:cpp)?|lmstudio|ollama|sglang|vllm"
    r"|(?:anything|changeme|demo|dummy|empty|example|fake|local|localhost|na|none|null|placeholder|test|testing)(?:key)?"
)
_TERMS = (
    r"(?i:(?:base|utf-?|sha-?|md|hs|rs|es|aes-?|iso-?|rfc-?|gpt-?|oauth|uuid-?v?|ipv|v|x)\d{1,4}\b.*)"
    r"|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|(?i:abc|foo|pass)\d*"
    r"|(?i:(?=.{6,20}$)(?:.*[_-])?(?:secret|token|key|password)s?(?:[_-].*)?)"
)
_SCHEME = r"(?i)(?:Bearer|Basic|Token|ApiKey|Key)(?:\s+|$)"
_HTTP_HOST = r"(?i)http://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)"
_NEAR = ("arpa", "corp", "home", "internal", "intranet", "lan", "local", "localdomain", "localhost", "svc", "test")


def has_key(text: str) -> bool:
    """Whether a key is in a text, by its form."""
    return len(text) >= SHORTEST_KEY and any(_NO_KEY.match(found[0]) is None for found in KEY.finditer(text))


def without_keys(text: str) -> str:
    """The text with each key in it masked."""
    return KEY.sub(lambda found: found[0] if _NO_KEY.match(found[0]) else MASKED, text)


def names_credential(name: str) -> bool:
    """Whether a header, variable or field of this name carries a credential: `X-Api-Key`, `ORDERS_TOKEN`."""
    folded = re.sub(r"[^a-z0-9]+", "-", re.sub(_CAMEL, "-", name).lower())
    return re.search(_CREDENTIAL, folded) is not None and re.search(_NO_CREDENTIAL, folded) is None


def names_query_credential(name: str) -> bool:
    """The same of a query parameter, whose names are shorter."""
    return names_credential(name) or name.lower() in _QUERY_ONLY


def is_dummy(value: str) -> bool:
    """Whether a text stands where a credential would, and is none."""
    folded = re.sub(r"[^a-z0-9]", "", re.sub(_SCHEME, "", value.strip().lower()).removeprefix("sk-"))
    return re.fullmatch(_DUMMY, folded) is not None


def looks_random(value: str) -> bool:
    """Whether a text is a row of letters and digits such as no word is."""
    return re.fullmatch(r"(?=\D*\d\D*\d)(?=.*[A-Za-z].*[A-Za-z])[A-Za-z0-9_%=-]{16,}", value) is not None


def is_random(value: str) -> bool:
    """Letters and digits together, and no term or address: words and numbers alone are what prose is made of."""
    has_both = any(one.isalpha() for one in value) and any(one.isdigit() for one in value)
    return has_both and len(value) >= 6 and "/" not in value and not re.fullmatch(_TERMS, value) and not is_dummy(value)


def plain_host(url: str) -> str | None:
    """The host of an `http://` address; None of any other."""
    found = re.match(_HTTP_HOST, url)
    return found[1].strip("[]").lower() if found else None


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1", "0.0.0.0") or host.startswith("127.") or host.endswith(".localhost")  # noqa: S104


def is_near(host: str) -> bool:
    """Whether a host is this machine or one of a network of one's own, by its name or address."""
    if is_loopback(host) or not ("." in host or ":" in host):
        return True
    if host.rpartition(".")[2] in _NEAR or host.endswith(".ts.net"):
        return True
    from ipaddress import ip_address

    try:
        return not ip_address(host).is_global
    except ValueError:
        return False
