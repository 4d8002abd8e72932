#!/bin/sh
# Verifies records with nothing but openssl (3.0 or later), sha256sum and POSIX tools; shares no code with the product.
#   verify_openssl.sh RECORDS_FILE IDENTITY_B64URL [N]
# Every record, or the first N: header, signature (identity key or the key that its epoch.open announced), number, link
# to the record before. Exits 0 when all hold, 1 at the first that does not, 2 when called wrongly. This walk takes
# fields by pattern and relies on the signature for the rest; verify_bundle.py is the strict one.
set -eu
[ $# -ge 2 ] || { echo "usage: $0 RECORDS_FILE IDENTITY_B64URL [N]" >&2; exit 2; }
file=$1 identity=$2 limit=${3:-0}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() { echo "record at line $count: $1" >&2; exit 1; }

# base64url to bytes; tr and padding first, because openssl wants the standard alphabet.
decode() {
    text=$(printf %s "$1" | tr -- '-_' '+/')
    case $((${#text} % 4)) in 2) text="$text==" ;; 3) text="$text=" ;; esac
    printf %s "$text" | openssl base64 -d -A
}

encode() { openssl base64 -A | tr -- '+/' '-_' | tr -d '='; }

# A raw key becomes a SubjectPublicKeyInfo (RFC 8410 section 4) with a fixed prefix of twelve bytes.
key_file() {
    { printf '\060\052\060\005\006\003\053\145\160\003\041\000'; decode "$1"; } >"$2"
}

hex() { od -An -v -tx1 | tr -d ' \n'; }

# The value of a top-level field, as text; the first one counts, and strict readers refuse a second one.
field() { printf %s "$payload" | sed -n "s/.*[{,]\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

check() { # message-file signature key-file
    decode "$2" >"$dir/sig"
    # A second spelling of the same signature is no signature.
    [ "$(encode <"$dir/sig")" = "$2" ] || return 1
    openssl pkeyutl -verify -pubin -keyform DER -inkey "$3" -rawin -in "$1" -sigfile "$dir/sig" >/dev/null 2>&1
}

key_file "$identity" "$dir/identity"
count=0 epochs=0 last='' link=''
while IFS=. read -r header body signature; do
    count=$((count + 1))
    printf %s "$header.$body" >"$dir/msg"
    payload=$(decode "$body")
    head=${payload%%'"boot":'*}
    gw=$(printf %s "$head" | sed -n 's/.*,"gw":"\([a-z0-9-]*\)".*/\1/p')
    ep=$(printf %s "$head" | sed -n 's/.*,"ep":\([0-9]*\),.*/\1/p')
    seq=$(printf %s "$head" | sed -n 's/.*,"seq":\([0-9]*\),.*/\1/p')
    prev=$(printf %s "$head" | sed -n 's/.*,"prev":"\([A-Za-z0-9_-]*\)".*/\1/p')
    opened=$(printf '{"alg":"EdDSA","kid":"%s#id","typ":"open+jws"}' "$gw" | encode)
    if [ "$header" = "$opened" ]; then
        check "$dir/msg" "$signature" "$dir/identity" || fail "not signed by the identity"
        epk=$(field epk) pop=$(field pop)
        key_file "$epk" "$dir/epoch$ep"
        printf 'pop1|%s|%s|%s' "$gw" "$ep" "$prev" >"$dir/pop"
        check "$dir/pop" "$pop" "$dir/epoch$ep" || fail "the key of epoch $ep is not proved"
        epochs=$((epochs + 1))
    else
        expected=$(printf '{"alg":"EdDSA","kid":"%s#%s","typ":"rec+jws"}' "$gw" "$ep" | encode)
        [ "$header" = "$expected" ] || fail "another header"
        [ -e "$dir/epoch$ep" ] || fail "epoch $ep was never opened"
        check "$dir/msg" "$signature" "$dir/epoch$ep" || fail "not signed by epoch $ep"
    fi
    if [ -n "$last" ]; then
        [ "$seq" = $((last + 1)) ] || fail "record $seq after record $last"
        [ "$(decode "$prev" | hex)" = "$link" ] || fail "record $seq does not name the record before it"
    fi
    last=$seq
    link=$(sha256sum <"$dir/msg")
    link=${link%% *}
    [ "$count" != "$limit" ] || break
done <"$file"
[ "$count" -gt 0 ] || { echo "no record at all" >&2; exit 1; }
echo "verified $count records, $epochs epochs, with $(openssl version)"
