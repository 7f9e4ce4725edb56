"""URLs that try to lead a tool to where it must not go, for tests, by kind of trick.

None of them is ever a way to a public address: their names are meant to be resolved to 127.0.0.1.
"""

from spelled_addresses import METADATA, REFUSED


def in_url(address):
    return f"[{address}]" if ":" in address else address


ADDRESSES = list(dict.fromkeys(REFUSED + METADATA))

# As they stand in a URL, between `http://` and the path.
HOSTS = {
    "address": [in_url(address) for address in ADDRESSES],
    "IPv4 mixture": [
        *("0xa9.0376.43518", "169.16689662", "0xa9fea9fe.", "0XA9.0XFE.0XA9.0XFE", "00000251.0376.000251.0000376"),
        *("0251.16689662", "169.254.0xa9fe", "0251.0xfe.169.254", "0x000000a9.254.169.0xfe", "169.254.169.0376"),
        *("127.1.", "127.0.0.1.", "127.000.000.001", "127.0x1", "0x7f.0x00.0x00.0x01", "0177.0.1", "0x7F000001."),
        *("0300.0250.0.1", "192.0xa80001", "0xc0.168.1", "0xac100001", "172.0x100001", "0254.020.1", "0xA000001"),
        *("0x64.0x64.0x64.0xc8", "1684301000", "0144.0144.0144.0310", "0xa8.63.33040", "2822734096", "0x646464c8"),
    ],
    "IPv4 that overflows": [
        *("4294967297", "0x17f000001", "425.510.425.510", "127.0.0.257", "256.256.256.256", "127.0.65537"),
        *("0x100000000", "7147006462", "0xffffffffa9fea9fe", "169.254.169.254.1", "0169.0254.0169.0254", "0x7g.1"),
    ],
    "IPv6 form": [
        *("[0:0:0:0:0:ffff:127.0.0.1]", "[::FFFF:7F00:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[fc00::]"),
        *("[0:0:0:0:0:FFFF:A9FE:A9FE]", "[0::ffff:169.254.169.254]", "[64:FF9B::A9FE:A9FE]", "[0064:ff9b::127.0.0.1]"),
        *("[64:ff9b:1::169.254.169.254]", "[64:ff9b:1:7f00:0:100::]", "[64:ff9b:1:ffff::1]", "[64:ff9b:2::1]"),
        *(
            "[2002:A9FE:A9FE::1]",
            "[2002:ac10:1::1]",
            "[2002:6464:64c8::]",
            "[2002::]",
            "[2002:808:808::1]",
            "[2002:e000:1::]",
        ),
        *("[2001:4860::5EFE:169.254.169.254]", "[fe80::200:5efe:169.254.169.254]", "[2606:4700::5efe:7f00:1]"),
        *("[2001:0:7f00:1::]", "[2001::]", "[2001:0:808:808:0:0:80ff:fffe]", "[::FFFF:0:A9FE:A9FE]", "[::a9fe:a9fe]"),
        *("[FE80::1]", "[febf::1]", "[feff::1]", "[fdff::1]", "[FF05::1:3]", "[::2]", "[1::1]", "[2001:2::1]"),
    ],
    "IPv6 zone": [
        *("[fe80::1%25lo]", "[fe80::1%lo]", "[::1%1]", "[::1%251]", "[fd00:ec2::254%25eth0]", "[::1%é.docs.example]"),
        *("[2606:4700::1111%25eth0]", "[fe80::1%.docs.example]", "[2606:4700::1111%.docs.example]", "[::1%]"),
        *("[2606:4700::1111%25.docs.example]", "[fe80::a9fe:a9fe%25eth0]"),
    ],
    "brackets": [
        *("[127.0.0.1]", "[::1", "::1]", "::1", "[[::1]]", "[::1]x", "[::1].docs.example", "[]", "[localhost]"),
        *("[v1.fe80::a]", "[0x7f.1]", "[2130706433]", "[::ffff:0x7f.1]", "[::1]:80:80", "[:::1]", "[::127.1]"),
        *("[docs.example]@[::1]", "[docs.example]"),
    ],
    "Unicode": [
        *(
            "127。0。0。1",
            "127．0．0．1",
            "127｡0｡0｡1",
            "127.0.0.1。",
            "169。254。169。254",
            "１６９。２５４。１６９。２５４",
        ),
        *("①②⑦.⓪.⓪.①", "①⑥⑨.②⑤④.①⑥⑨.②⑤④", "１２７.0.0.1", "١٢٧.٠.٠.١", "१२७.0.0.1", "𝟏𝟐𝟕.𝟎.𝟎.𝟏", "0𝐱7f.1", "127。1"),
        *(
            "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
            "ＬＯＣＡＬＨＯＳＴ",
            "loc\u00adalhost",
            "local\u200bhost",
            "localhoſt",
            "localhost。",
            "𝐥ocalhost",
        ),
        *("ⅿetadata.google.internal", "metadata。google。internal", "ｍetadata", "127.0.0.1\u2028.docs.example"),
        *("２１３０７０６４３３", "[::①]", "[::ﬀff:7f00:1]"),
    ],
    "percent": [
        *("127%2e0%2e0%2e1", "%31%32%37.0.0.1", "%6c%6f%63alhost", "127.0.0.1%00", "127.0.0.1%00.docs.example"),
        *("127.0.0.1%2f", "127.0.0.1%2f.docs.example", "127.0.0.1%23.docs.example", "127.0.0.1%0d%0a.docs.example"),
        *("127.0.0.1%3f.docs.example", "169.254.169.254%20", "%5b::1%5d", "[%3a%3a1]", "docs.example%40127.0.0.1"),
        *("127.0.0.1%253f", "%E2%91%A0%E2%91%A1%E2%91%A6.0.0.1", "127%E3%80%820%E3%80%820%E3%80%821", "%"),
    ],
    "userinfo": [
        *("docs.example@127.0.0.1", "docs.example:80@127.0.0.1", "docs.example:x@[::1]", "@127.0.0.1", "a@b@127.0.0.1"),
        *("user:pw@169.254.169.254", "127.0.0.1@docs.example", "docs.example%2f@127.0.0.1", "127.0.0.1\\@docs.example"),
        *("docs.example\\@127.0.0.1", "docs.example&@127.0.0.1", "127.0.0.1:80@docs.example:80", ":@127.0.0.1"),
        *("docs.example;@127.0.0.1", "docs.example,127.0.0.1", "127.0.0.1;docs.example", "127.0.0.1|docs.example"),
    ],
    "space and control": [
        *("127.0.0.1 ", " 127.0.0.1", "127.0.0.1 docs.example", "127.0.0.1\t", "127.0.0.1\n.docs.example"),
        *("127.0.0.1\0.docs.example", "127.0.0.1\r\nHost: docs.example", "docs.example\n@127.0.0.1", "local\thost"),
        *("127.0.0.1\x7f", "127.0.0.1\x0b", "127.0.0.1\u00a0", "127.0.0.1\x85", "\ufeff127.0.0.1", "127.0.0.1\u3000"),
        "127.\t0.0.1",
    ],
    "port": [
        *("127.0.0.1:80", "127.0.0.1:", "127.0.0.1:00080", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+80"),
        *("127.0.0.1:-1", "127.0.0.1:80:80", "127.0.0.1:８０", "127.0.0.1:80.docs.example", "127.0.0.1:0x50"),
        *(
            "localhost:2375",
            "[::1]:6379",
            "169.254.169.254:8080",
            "10.0.0.1:443",
            "[fd00:ec2::254]:80",
            "127.0.0.1::80",
        ),
    ],
    "name": [
        *("localhost", "LOCALHOST", "localhost.", "localhost.localdomain", "ip6-localhost", "a.localhost", "loopback"),
        *("metadata.google.internal", "METADATA.google.INTERNAL.", "metadata", "metadata.goog", "instance-data"),
        *("instance-data.ec2.internal", "metadata.tencentyun.com", "metadata.azure.internal", "metadata.packet.net"),
        *("kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "host.docker.internal", "router.local"),
        *("gateway.docker.internal", "127.0.0.1.nip.io", "169.254.169.254.nip.io", "a9fea9fe.nip.io", "localtest.me"),
        *("xn--lcalhost-54a", "bücher.example", "xn--bcher-kva.example", "127.0.0.1.docs.example", "a.docs.example"),
        *("docs.example.", "DOCS.example", "docs。example", "ｄocs.example", "_.docs.example", "0x7f.1.docs.example"),
        "api.metadata.cloud.ibm.com",
    ],
}

# Whole URLs whose trick isn't in the host: another scheme, another number of slashes, or where the host ends.
NOT_HTTP = [
    *("file:///etc/passwd", "file://127.0.0.1/etc/passwd", "gopher://127.0.0.1:6379/_INFO", "ftp://127.0.0.1/"),
    *("dict://127.0.0.1:11211/stats", "ldap://127.0.0.1/", "unix:///run/docker.sock", "data:text/plain,x"),
    *("http+unix://%2Frun%2Fdocker.sock/info", "jar:http://127.0.0.1!/x", "javascript:1", "view-source:http://[::1]/"),
    *("url:http://127.0.0.1/", "netdoc:///etc/passwd", "httpx://127.0.0.1/", "ws://[::1]/"),
]
CHOSEN = [
    *NOT_HTTP,
    *("http:127.0.0.1", "http:/127.0.0.1/", "http://", "http:///127.0.0.1/", "http:////127.0.0.1/"),
    *("http:\\\\127.0.0.1\\", "http:/\\127.0.0.1/", "//127.0.0.1/", "\\\\127.0.0.1\\", "/latest/meta-data/"),
    *("127.0.0.1", "127.0.0.1:80/", "\x00http://127.0.0.1/", "ht\ttp://127.0.0.1/", "http://\t127.0.0.1/"),
    *(" http://127.0.0.1/", "\ufeffhttp://127.0.0.1/", "http://?@127.0.0.1/", "http://127.0.0.1#@docs.example/"),
    *("http://127.0.0.1?@docs.example/", "http://127.0.0.1/@docs.example/", "http://127.0.0.1\\docs.example/"),
    *(
        "http://127.0.0.1#.docs.example",
        "HTTP://127.0.0.1/",
        "https://127.0.0.1/",
        "http://169.254.169.254?docs.example",
    ),
    *("http://[::1]#docs.example", "http://#docs.example", "http://.docs.example"),
]
STAYS = [  # As a redirect these are paths of the server that sent them, however a browser reads them.
    *("http:127.0.0.1", "http:/127.0.0.1/", "http:\\\\127.0.0.1\\", "http:///127.0.0.1/", "/\\127.0.0.1/"),
    *("\\\\127.0.0.1\\", "/%2f127.0.0.1/", "127.0.0.1", "/@127.0.0.1/", "./http://127.0.0.1/", "/x#http://127.0.0.1/"),
]
LEAVES = [  # As a redirect these leave, or are no URL.
    *("//127.0.0.1/", "//169.254.169.254/x", "//[::1]", "  http://127.0.0.1/  ", "HTTP://127.0.0.1/", "//localhost"),
    *("htt\tp://127.0.0.1/", "//127.0.\t0.1/", "http://127.0.0.1#@docs.example/", "http://127.0.0.1?@docs.example/"),
    *(
        "https://127.0.0.1/",
        "//127.0.0.1/%2f..",
        "https://[::ffff:169.254.169.254]/",
        "http://2852039166/?docs.example",
    ),
]
EVERYWHERE = ["127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:169.254.169.254]", "localhost"]
