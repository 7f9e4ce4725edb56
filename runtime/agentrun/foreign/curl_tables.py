"""The options of curl: which take a value, and what agentrun does with those that it has no use for. Only data.

An option that is in none of these tables has a meaning of its own in `curl_options.py`, or is not known.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pairs(text: str) -> dict[str, str]:
    return {one[0]: one[2:] for one in text.split()}


SHORT = _pairs(
    "X=request H=header d=data F=form G=get u=user b=cookie A=user-agent e=referer k=insecure L=location o=output "
    "s=silent S=show-error v=verbose i=include I=head f=fail w=write-out N=no-buffer m=max-time x=proxy U=proxy-user "
    "T=upload-file E=cert K=config r=range D=dump-header c=cookie-jar O=remote-name J=remote-header-name "
    "R=remote-time #=progress-bar g=globoff n=netrc 4=ipv4 6=ipv6 0=http1.0 :=next Z=parallel C=continue-at "
    "y=speed-time Y=speed-limit z=time-cond q=disable 1=tlsv1 2=sslv2 3=sslv3 j=junk-session-cookies p=proxytunnel "
    "B=use-ascii Q=quote P=ftp-port t=telnet-option a=append l=list-only"
)

_CERTIFICATE = "agentrun sends no client certificate"
_TRUST = "certificates are checked against those of the system"
_OWN_WAY = "agentrun connects its own way"
_PROXY = "agentrun's tools use no proxy"
_AUTH = "agentrun has bearer, basic, api_key and oauth2"
_NETRC = "credentials come from variables: write `auth`"
_HTTP_ONLY = "agentrun speaks HTTP only"

# Options that change what is sent, or to whom, and why they are left.
LEFT_WITH_VALUE = {
    **dict.fromkeys(("cert", "cert-type", "key", "key-type", "pass", "pubkey", "engine"), _CERTIFICATE),
    **dict.fromkeys(("cacert", "capath", "pinnedpubkey"), _TRUST),
    **dict.fromkeys(("proxy", "preproxy", "proxy-user", "proxy-header", "proxy1.0", "noproxy"), _PROXY),
    **dict.fromkeys(("socks4", "socks4a", "socks5", "socks5-hostname"), _PROXY),
    **dict.fromkeys(("resolve", "connect-to", "unix-socket", "abstract-unix-socket", "interface", "doh-url"), _OWN_WAY),
    **dict.fromkeys(("dns-servers", "local-port", "haproxy-clientip"), _OWN_WAY),
    **dict.fromkeys(("quote", "ftp-port", "telnet-option", "mail-from", "mail-rcpt"), _HTTP_ONLY),
    "aws-sigv4": f"requests are not signed: {_AUTH}",
    "config": "the options of another file are not read",
    "continue-at": "a tool gets the whole answer",
    "request-target": "the path of the url is what is sent",
    "time-cond": "write the header If-Modified-Since",
    "upload-file": "a file as the whole body can't be sent: take it as an argument, or send it with `multipart`",
    "netrc-file": _NETRC,
    "variable": "values are not computed",
}
LEFT = {
    **dict.fromkeys(("proxy-insecure", "proxytunnel"), _PROXY),
    **dict.fromkeys(("digest", "ntlm", "ntlm-wb", "negotiate", "anyauth"), _AUTH),
    **dict.fromkeys(("netrc", "netrc-optional"), _NETRC),
    "insecure": "certificates are always checked",
    "location-trusted": "credentials are sent to the tool's own origin only",
    "path-as-is": "the path of a url has no `.` and `..` pieces",
}

# Options that only say what curl prints, or how it waits.
PASSED_WITH_VALUE = _words(
    "output output-dir write-out stderr trace trace-ascii dump-header cookie-jar connect-timeout keepalive-time "
    "limit-rate speed-limit speed-time max-filesize max-redirs retry retry-delay retry-max-time parallel-max rate "
    "expect100-timeout happy-eyeballs-timeout-ms create-file-mode etag-save etag-compare alt-svc hsts libcurl "
    "tls-max tls13-ciphers ciphers curves proto proto-default proto-redir random-file egd-file crlfile delegation "
    "service-name trace-config ip-tos vlan-priority dns-interface dns-ipv4-addr dns-ipv6-addr login-options "
    "tlsauthtype tlsuser tlspassword sasl-authzid krb"
)
# Each may have `no-` before it.
FLAGS = _words(
    "silent show-error verbose include fail fail-with-body fail-early compressed compressed-ssh globoff "
    "progress-bar progress-meter buffer http0.9 http1.0 http1.1 http2 http2-prior-knowledge http3 http3-only "
    "remote-name remote-name-all remote-header-name remote-time remove-on-error ipv4 ipv6 tlsv1 tlsv1.0 tlsv1.1 "
    "tlsv1.2 tlsv1.3 sslv2 sslv3 ssl ssl-reqd ssl-no-revoke ssl-revoke-best-effort ssl-allow-beast basic post301 "
    "post302 post303 raw tr-encoding tcp-nodelay tcp-fastopen keepalive sessionid alpn npn parallel "
    "parallel-immediate retry-all-errors retry-connrefused disable junk-session-cookies use-ascii styled-output "
    "create-dirs clobber xattr manual metalink cert-status doh-insecure doh-cert-status false-start ca-native crlf "
    "sasl-ir suppress-connect-headers trace-time trace-ids skip-existing append list-only"
)
