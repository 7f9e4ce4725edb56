"""The English that the offline model knows: word lists and nothing else.

Each list says what it decides. Words that are compared as stems are passed through `stem` here, once, so that the
lists can be read as English. Anything that depends on a tool or a message is not here.
"""

from __future__ import annotations

from typing import Literal

from agentrun.engine.bm25 import stem

Kind = Literal["id", "place", "person", "name", "path", "email", "url", "time", "reason", "search", "free", "plain"]


def _each(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Say nothing about which tool is meant and are never a value.
STOP = _each("""
    a an the this that these those it its it's itself i i'm i'd i've me my mine myself you your yours we us our
    ours he him his she her hers they them their theirs one ones some any all both each every no not and or but
    so then also too plus as at by for from in into of off on onto out over to up with within without about
    around near between through than via per is are was were be been being am do does did doing don't doesn't
    didn't have has had having can could can't cannot will would won't wouldn't shall should shouldn't may might
    must let lets let's what what's whats when where where's wheres which who who's whom whose why how how's
    hows if else because since while there there's here please kindly thanks thank hi hello hey ok okay yes yeah
    no just only really very much many more most less least few lot again still already yet now right currently
    today tomorrow yesterday tonight lately recently soon like want wants wanted need needs needed go going got
    get's happen happening happened same else something anything nothing everything everyone someone anyone
    going gonna wanna mean means sure well oh
    """)

STOP_STEMS = frozenset(map(stem, STOP))

# Verbs and nouns of nearly every request: they help to rank tools, but alone they choose none.
WEAK = frozenset(
    stem(word)
    for word in _each("""
    show get list find tell give search look lookup check use see display fetch read call make know help
    view print try ask say answer describe bring take put name number value id text line day word part thing way
    time people new old last first latest newest current next previous top detail details info information data
    result results please tool nice good great little long
    """)
)

# What people say -> what authors of tools call it. Weighs less than the word itself.
MEANS: dict[str, tuple[str, ...]] = {
    stem(word): tuple(stem(other) for other in others.split())
    for word, others in {
        "where": "find track locate look status",
        "show": "list get find",
        "see": "list get show find",
        "display": "list get show",
        "give": "get list find",
        "find": "search look get",
        "search": "find look",
        "look": "find search get",
        "check": "get find look status",
        "which": "list find",
        "track": "find status",
        "money": "refund",
        "reimburse": "refund",
        "remove": "delete",
        "erase": "delete",
        "forecast": "weather",
        "temperature": "weather",
        "umbrella": "weather rain",
        "rain": "weather",
        "raining": "weather",
        "sunny": "weather",
        "snow": "weather",
        "cold": "weather",
        "warm": "weather",
        "hot": "weather",
        "windy": "weather wind",
        "space": "disk",
        "storage": "disk",
        "full": "disk used",
        "drive": "disk",
        "cpu": "process",
        "memory": "process",
        "ram": "process memory",
        "program": "process",
        "running": "process",
        "changed": "commit change history",
        "history": "log",
        "error": "log",
        "docs": "document",
        "manual": "document",
        "cost": "price total",
    }.items()
}

# Verbs that change the world -> words of the user that ask for it, and the verb's past form. A tool named by such a
# verb is never chosen by mere likeness.
ACTS: dict[str, tuple[frozenset[str], str]] = {
    verb: (frozenset(family.split()), past)
    for family, verbs in {
        "refund reimburse": "refund:refunded reimburse:reimbursed",
        "cancel abort revoke undo": "cancel:cancelled abort:aborted revoke:revoked",
        "delete remove erase drop wipe purge clear discard": "delete:deleted remove:removed erase:erased "
        "drop:dropped wipe:wiped purge:purged",
        "kill stop terminate end quit shut": "kill:killed stop:stopped terminate:terminated",
        "restart reboot reset reload": "restart:restarted reboot:rebooted reset:reset",
        "start launch run begin": "start:started launch:launched",
        "create add make open register file write": "create:created add:added register:registered",
        "update change edit modify rename move correct set": "update:updated change:changed edit:edited "
        "modify:modified rename:renamed move:moved",
        "send email mail write notify message tell forward": "send:sent notify:notified forward:forwarded",
        "pay charge transfer wire": "pay:paid charge:charged transfer:transferred",
        "book buy reserve purchase order": "book:booked buy:bought reserve:reserved purchase:purchased",
        "approve accept confirm": "approve:approved accept:accepted",
        "reject refuse decline deny": "reject:rejected decline:declined",
        "block ban lock disable suspend": "block:blocked ban:banned lock:locked disable:disabled suspend:suspended",
        "deploy publish release install": "deploy:deployed publish:published release:released install:installed",
        "record save store log": "record:recorded save:saved store:stored",
    }.items()
    for verb, past in (pair.split(":") for pair in verbs.split())
}

# A tool whose name begins with one of these only looks.
READS = _each("get list find search show read fetch check look lookup count describe view query browse inspect print")

# A message that begins so asks about the past or for advice; it doesn't order an act.
ASKS = _each("did was were has have had is are am why when how what which who whose does do should must where")
COMMANDS = READS | _each("tell give see display use call run make help track compare summarize summarise translate ask")
STATES = _each("i i'm i've my it it's its he she they we the this that there our")

# May stand before the first word that matters.
FILLERS = _each("hi hello hey and then so also please but ok okay now oh yes no well good morning afternoon evening")

# Words that point back to what was talked about, and those that mean all of it.
REFERS = _each("it its it's this that he him his she her same there again one them they their both these those")
REFERS_TO_ALL = _each("them they their both these those all")
FOLLOWS_UP = ("and ", "what about ", "how about ", "what of ", "same for ", "the same for ", "or ", "also ", "now ")

POLITE = _each("please thanks thank you kindly ok okay yes yeah sure well oh so hi hello hey it's is it the")
GREETINGS = _each("hi hello hey hiya howdy greetings morning afternoon evening moin servus")
THANKS = _each("thanks thank thx cheers great perfect cool nice awesome excellent")
GOODBYES = _each("bye goodbye ciao farewell")

# A string parameter's kind, by the words of its name: which finder looks for its value.
_KIND_NAMES: dict[Kind, str] = {
    "email": "email mail",
    "url": "url uri link website webpage href",
    "path": "path file files filename folder directory dir filepath",
    "id": "id ids identifier uuid number no nr code key ref reference sku ticket isbn iban",
    "reason": "reason note notes comment remark explanation cause justification",
    "search": "query pattern search term terms keyword keywords words q needle phrase topic grep",
    "free": "input question prompt message task text request content body instruction instructions",
    "place": "city place location town country region station airport destination origin where village area",
    "person": "customer user author person owner client assignee member employee contact recipient buyer who "
    "people username seller vendor supplier company",
    "time": "since until after before when",
    "name": "name title subject label",
}
KINDS = {word: kind for kind, listed in _KIND_NAMES.items() for word in listed.split()}

COUNTS = _each("limit count max maximum n number num top size lines results last first amount many rows")
MONEY = _each("""
    amount price total sum cost costs fee tax vat shipping balance subtotal paid due discount refund refunded
    left budget value net gross
    """)
PRICES = _each("amount price total sum cost value budget")  # what a lone amount of money may stand for
QUANTITIES = _each("quantity qty count units pieces number")

# How documents label what a schema calls otherwise.
ALIASES: dict[str, frozenset[str]] = {
    name: frozenset(stem(word) for word in listed.split())
    for name, listed in {
        "vendor": "from seller supplier company issuer biller merchant sender",
        "supplier": "from seller vendor company issuer",
        "seller": "from vendor supplier company issuer",
        "customer": "to buyer client recipient bill",
        "buyer": "to customer client recipient bill",
        "sender": "from",
        "recipient": "to",
        "total": "sum grand payable amount",
        "amount": "sum total",
        "tax": "vat mwst gst",
        "number": "no nr num",
        "invoice": "bill",
        "date": "dated issued on",
        "due": "payable by",
        "email": "e-mail mail",
        "phone": "tel telephone mobile",
    }.items()
}

CURRENCIES = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY"}
CURRENCY_NAMES = {"euro": "EUR", "euros": "EUR", "dollar": "USD", "dollars": "USD", "pound": "GBP", "pounds": "GBP"}
CURRENCY_CODES = sorted(
    _each("EUR USD GBP CHF SEK NOK DKK PLN CZK JPY CAD AUD NZD INR CNY HUF TRY BRL MXN ZAR SGD HKD")
)

_MONTH_NAMES = "january february march april may june july august september october november december"
MONTHS = _MONTH_NAMES.split()
WEEKDAYS = _each("monday tuesday wednesday thursday friday saturday sunday")
TIME_WORDS = WEEKDAYS.union(
    MONTHS,
    (month[:3] for month in MONTHS),
    _each("day days week weeks month months year years hour hours minute minutes seconds ago moment noon midnight"),
    _each("morning evening afternoon night weekend sept"),
) - {"may", "mar"}
