#!/bin/sh
# Verifies bundles of signed records, from FORMAT.md alone: openssl (3.0 or later), sha256sum and POSIX tools, no code of the
# product.
#
#   verify.sh [--identity=KEY] [--root=HASH] [--no-manifest] BUNDLE_DIR...
#   verify.sh --mutations VECTORS_DIR
#
# Prints what is verified, what is declared as lost and what contradicts. Exits 0 where nothing contradicts, 1 where
# something does, 2 when called wrongly. read.awk reads lines strictly, point.awk checks keys; openssl verifies.
# The functions are called by name through `each`; every `A && B || { ... }` here means what it says.
# shellcheck disable=SC2034,SC2030,SC2031,SC2317,SC2015,SC2100
set -eu
export LC_ALL=C
here=$(dirname "$0")
tab=$(printf '\t')
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/keys"
# What is held at most: FORMAT.md section 14.
HELD=65536 WITNESSES=65536 SUMMARIES=1048576

usage() { echo "usage: $0 [--identity=KEY] [--root=HASH] [--no-manifest] BUNDLE_DIR..." >&2; exit 2; }

# --- Keys and signatures ---

# base64url to bytes; what comes here was checked by read.awk.
decode() {
  text=$(printf %s "$1" | tr -- '-_' '+/')
  case $((${#text} % 4)) in 2) text="$text==" ;; 3) text="$text=" ;; esac
  printf %s "$text" | openssl base64 -d -A
}
encode() { openssl base64 -A | tr -- '+/' '-_' | tr -d '='; }
digest() { openssl dgst -sha256 -binary | encode; }
hex() { od -An -v -tx1 | tr -d ' \n'; }

# Takes a key: a DER file beside its check. Sets `why` to the word where it is refused.
take() {
  why=
  if [ ! -e "$dir/keys/$1.word" ]; then
    decode "$1" | hex | awk -f "$here/point.awk" >"$dir/keys/$1.word"
    # RFC 8410 section 4: twelve bytes before the raw key.
    { printf '\060\052\060\005\006\003\053\145\160\003\041\000'; decode "$1"; } >"$dir/keys/$1"
  fi
  read -r why <"$dir/keys/$1.word" || true
  [ "$why" != ok ] || why=
  [ -z "$why" ]
}

# believes KEY MESSAGE_FILE SIGNATURE. Strict: R is no point of small order.
believes() {
  decode "$3" >"$dir/sig"
  case $(head -c 32 "$dir/sig" | hex) in
    0100000000000000000000000000000000000000000000000000000000000000 | \
    ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f | \
    0000000000000000000000000000000000000000000000000000000000000000 | \
    0000000000000000000000000000000000000000000000000000000000000080 | \
    26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc[08]5 | \
    c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03[7f]a) return 1 ;;
  esac
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$dir/keys/$1" -rawin -in "$2" -sigfile "$dir/sig" >/dev/null 2>&1
}

# --- The three lists ---

begin() {
  work=$dir/work
  rm -rf "$work"
  mkdir -p "$work/receipts" "$work/kept" "$work/pii" "$work/main" "$work/days" "$work/branch" "$work/links"
  : >"$work/losses" && : >"$work/found" && : >"$work/counts" && : >"$work/holes" && : >"$work/lost" && : >"$work/disposed"
  : >"$work/waiting" && : >"$work/tails" && : >"$work/digests" && : >"$work/left" && : >"$work/numbers"
  owner='' all_owner='' main_owner='' sms='' enrolled='' accepted='' head_seq='' head_ep='' head_link='' closed=1 promised=- number=0 first=0 last=0
  holes=0 lines_held=0 waits=0 tails=0 branches_held=0 receipts_held=0
  denied='' receipt_n=0 receipt_link='' roots='' day_last=0 days_held=0 order_last='' command_n=0 branch_last='' manifest=''
}
count() { echo "$1" >>"$work/counts"; }
loss() { echo "$1: $2" >>"$work/losses"; }
complain() { # FILE LINE WORD SENTENCE
  where=$1
  [ -z "$2" ] || where="$1 line $2"
  echo "$where: $3: ${4:-$3}" >>"$work/found"
}
show() {
  printf 'verified:'
  sort "$work/counts" | uniq -c | while read -r n what; do printf ' %s %s,' "$n" "$what"; done
  echo
  # What a bundle says moves no cursor: names of its files are nobody's word.
  head -n 1000 "$work/losses" | sed 's/^/declared loss: /' | tr -c '\n -~' '?'
  head -n 1000 "$work/found" | sed 's/^/contradiction: /' | tr -c '\n -~' '?'
  echo "declared losses $(wc -l <"$work/losses"), contradictions $(wc -l <"$work/found")"
  if [ ! -s "$work/found" ] && grep -qx records "$work/counts"; then echo 'verdict: verified'; return 0; fi
  echo 'verdict: refused'
  return 1
}

# Ranges, one `from to` a line: rising, joined where they touch.
joined() {
  sort -n "$@" | awk '
    NR > 1 && $1 + 0 <= b + 1 { if ($2 + 0 > b) b = $2 + 0; next }
    NR > 1 { printf "%.0f %.0f\n", a, b }
    { a = $1 + 0; b = $2 + 0 }
    END { if (NR) printf "%.0f %.0f\n", a, b }'
}

# Keeps a range in a file. Where HELD of them are kept, one more that touches none is passed over.
keep() { # FILE FROM TO
  echo "$2 $3" >>"$1"
  [ "$(wc -l <"$1")" -gt "$HELD" ] || return 0
  joined "$1" >"$1.joined"
  if [ "$(wc -l <"$1.joined")" -gt "$HELD" ]; then sed '$d' "$1" >"$1.joined"; fi
  mv "$1.joined" "$1"
}

# Of each row `FROM TO NAME` of a file, what is in none of the ranges of another file, as rows of the same kind.
rests() {
  joined "$2" >"$work/joined"
  awk -v ranges="$work/joined" '
    BEGIN { while ((getline row <ranges) > 0) { n++; split(row, part, " "); A[n] = part[1] + 0; B[n] = part[2] + 0 } }
    {
      a = $1 + 0; b = $2 + 0; low = 1; high = n + 1
      while (low < high) { middle = int((low + high) / 2); if (B[middle] < a) low = middle + 1; else high = middle }
      for (; low <= n && A[low] <= b; low++) { if (a < A[low]) printf "%.0f %.0f %s\n", a, A[low] - 1, $3; a = B[low] + 1 }
      if (a <= b) printf "%.0f %.0f %s\n", a, b, $3
    }' "$1"
}

# The same of one range.
rest() { # FROM TO FILE
  echo "$1 $2 -" >"$work/asked"
  rests "$work/asked" "$3" | sed 's/ -$//'
}

# --- Records ---

# Splits a row of read.awk. Sets `why` where the line is refused.
fields() {
  IFS=$tab read -r state signed signature kind r_gw r_site ep seq prev pii epk pop tail_seq tail_hash tail_state \
    n reason lost from to disposed_why next_key left_range files <<ROW
$1
ROW
  why=
  [ "$state" = ok ] || { why=$state; return 1; }
  printf %s "$signed" >"$dir/msg"
  link=$(digest <"$dir/msg")
  opens=0
  [ "$kind" != epoch.open ] || opens=1
}

# Believes the record of the last row by the keys in a folder, one file an epoch.
genuine() {
  [ "$r_gw $r_site" = "$owner" ] || { why=stranger; return 1; }
  if [ "$opens" = 0 ]; then
    [ -e "$1/$ep" ] || { why=unknown-epoch; return 1; }
    believes "$(cat "$1/$ep")" "$dir/msg" "$signature" || { why=signature; return 1; }
    return 0
  fi
  believes "$identity" "$dir/msg" "$signature" || { why=signature; return 1; }
  for part in "$epk" "$pop"; do case $part in '!'*) why=${part#!}; return 1 ;; esac; done
  take "$epk" || return 1
  printf 'pop1|%s|%s|%s' "$r_gw" "$ep" "$prev" >"$dir/pop"
  believes "$epk" "$dir/pop" "$pop" || { why=possession; return 1; }
  [ -e "$1/$ep" ] || echo "$epk" >"$1/$ep"
  [ "$(cat "$1/$ep")" = "$epk" ] || { why=epoch-taken; return 1; }
}

flush() {
  while read -r at word; do complain records.jws "$at" "$word"; done <"$work/waiting"
  : >"$work/waiting"
  waits=0
}

deny() { # excused where the next record is an opening behind the receipt
  [ -n "$denied" ] || return 0
  # shellcheck disable=SC2086
  set -- "${1:-}" $denied
  denied=
  if [ "$1" = next ] && [ "$leaves" = 1 ] && [ "$seq" = $(($3 + 1)) ] && [ "$prev" = "$4" ]; then return 0; fi
  complain records.jws "$2" receipt-head "record $3 is not the one that a receipt names"
}

behind() {
  before=$((seq - 1))
  [ ! -e "$work/receipts/$before" ] || [ "$(cat "$work/receipts/$before")" = "$prev" ] ||
    complain records.jws "$number" receipt-head "record $before"
}

place() {
  leaves=0
  if [ "$opens" = 1 ]; then case $tail_state in rollback | reset) leaves=1 ;; esac; fi
  deny next
  why=
  if [ -z "$head_seq" ]; then
    flush
    known=$tail_seq
    [ "$known" != - ] || known=0
    if [ "$leaves" = 1 ] && [ $((known + 1)) -lt "$seq" ]; then loss rollback "records $((known + 1)) to $((seq - 1))"; fi
    behind
    return 0
  fi
  if [ "$leaves" = 1 ] && [ "$seq" -gt "$head_seq" ] &&
    { [ "$seq" -gt $((head_seq + 1)) ] || [ "$prev" != "$head_link" ]; }; then
    flush
    leave
    return
  fi
  if [ "$seq" -gt $((head_seq + 1)) ]; then
    [ "$waits" -le $((seq - head_seq - 1)) ] || flush
    hole
    [ "$ep" -ge $((head_ep + opens)) ] || { why=break-epoch; return 1; }
    behind
    return 0
  fi
  flush
  [ "$seq" -gt "$head_seq" ] || { why=backwards; return 1; }
  if [ "$ep" != $((head_ep + opens)) ] && ! { [ "$leaves" = 1 ] && [ "$ep" -gt "$head_ep" ]; }; then
    why=break-epoch
    return 1
  fi
  [ "$prev" = "$head_link" ] || { why=break-prev; return 1; }
  [ "$opens" = 1 ] || [ "$closed" = 0 ] || { why=break-closed; return 1; }
  if [ "$promised" != - ] && [ "$epk" != "$promised" ]; then
    [ "$leaves" = 1 ] || { why=break-key; return 1; }
    loss branch "record $seq goes on elsewhere"
  fi
}

# Numbers that are missing: a record further on may declare them.
hole() {
  if [ "$holes" = "$HELD" ] || [ $((lines_held + waits)) -gt "$HELD" ]; then
    flush
    complain records.jws "$number" missing "records $((head_seq + 1)) to $((seq - 1))"
    return 0
  fi
  echo "$((head_seq + 1)) $((seq - 1)) $number" >>"$work/holes"
  [ "$waits" = 0 ] || mv "$work/waiting" "$work/waiting.$number"
  : >"$work/waiting"
  holes=$((holes + 1)) lines_held=$((lines_held + waits)) waits=0
}

# A line that is refused: numbers that are missing around it may be declared further on.
wait_for() {
  if [ "$waits" = "$HELD" ]; then complain records.jws "$number" "$why"; return 0; fi
  echo "$number $why" >>"$work/waiting"
  waits=$((waits + 1))
}

leave() {
  why=tail moved=0
  [ "$tail_seq" != - ] || return 1
  [ "$tail_seq" -le "$head_seq" ] || moved=1
  [ "$moved" = 1 ] || { [ "$tail_seq" = "$head_seq" ] && [ "$tail_hash" = "$head_link" ]; } || return 1
  why=break-epoch
  [ "$ep" -gt "$head_ep" ] || return 1
  why=
  if [ "$moved" = 1 ]; then
    [ "$tails" -lt "$HELD" ] || { why=too-many; return 1; }
    tails=$((tails + 1))
    echo "$tail_seq $tail_hash $head_seq $seq $number" >>"$work/tails"
  fi
  proof='no receipt here shows it' known=$work/receipts/$((seq - 1))
  if [ -e "$known" ] && [ "$(cat "$known")" = "$prev" ]; then proof='a receipt shows it'; fi
  if [ $((head_seq + 1)) -lt "$seq" ]; then
    loss rollback "records $((head_seq + 1)) to $((seq - 1)) are with the central system ($proof)"
  else
    loss branch "record $seq goes on elsewhere ($proof)"
  fi
  behind
}

advance() {
  case $kind in
    epoch.open)
      count epochs
      [ "$closed" = 1 ] || loss unclosed "epoch $head_ep after record $head_seq"
      ;;
    gap.dropped) loss dropped "$n events ($reason), as record $seq says" ;;
    journal.recovered)
      for range in $(printf %s "$lost" | tr ',' ' '); do
        [ "$range" != - ] || continue
        keep "$work/lost" "${range%:*}" "${range#*:}"
        loss lost "records ${range%:*} to ${range#*:}, as record $seq says"
      done
      ;;
    records.disposed)
      [ "$left_range" = - ] || [ "${left_range% *}" -gt "${left_range#* }" ] || keep "$work/left" "${left_range% *}" "${left_range#* }"
      if [ "$from" != - ] && [ "$to" != - ] && [ 1 -le "$from" ] && [ "$from" -le "$to" ] && [ "$to" -lt "$seq" ]; then
        keep "$work/disposed" "$from" "$to"
        loss disposed "records $from to $to ($disposed_why), as record $seq says"
      fi
      ;;
  esac
  [ -n "$head_seq" ] || first=$seq
  last=$seq closed=0
  promised=-
  [ "$kind" != epoch.close ] || { closed=1 promised=$next_key; }
  head_seq=$seq head_ep=$ep head_link=$link
}

witness() {
  why=acceptance
  [ "$seq" != 1 ] || [ -z "$enrolled" ] || [ "$prev" = "$enrolled" ] || return 1
  why=summary
  [ ! -e "$work/kept/$seq" ] || [ "$(cat "$work/kept/$seq")" = "$link" ] || return 1
  why=disclosure
  if [ -e "$work/pii/$seq" ]; then
    known=$(cat "$work/pii/$seq")
    rm "$work/pii/$seq"
    [ "$known" = "$pii" ] || return 1
    count disclosures
  fi
  why=
  [ -e "$work/receipts/$seq" ] || return 0
  known=$(cat "$work/receipts/$seq")
  if [ "$known" = "$link" ]; then count 'receipts that agree'; else denied="$number $seq $known"; fi
}

record() {
  number=$((number + 1))
  if ! fields "$1"; then wait_for; return 0; fi
  if [ -z "$started" ]; then
    if [ "$opens" = 0 ]; then complain records.jws "$number" start; return 0; fi
    started=1
    whose
  fi
  if ! genuine "$work/main"; then wait_for; return 0; fi
  if place; then placed=1; else placed=0; complain records.jws "$number" "$why"; fi
  advance
  [ "$placed" = 1 ] || return 0
  if witness; then count records; else complain records.jws "$number" "$why"; fi
}

finish_records() {
  deny
  flush
  rests "$work/holes" "$work/lost" >"$work/rest"
  while read -r c d at; do
    if [ -e "$work/waiting.$at" ]; then
      while read -r line word; do complain records.jws "$line" "$word"; done <"$work/waiting.$at"
      rm "$work/waiting.$at"
    fi
    complain records.jws "$at" missing "records $c to $d"
  done <"$work/rest"
  if [ "$first" -gt 1 ]; then
    rest 1 $((first - 1)) "$work/disposed" >"$work/rest"
    while read -r c d; do loss outside "records $c to $d are not in this file"; done <"$work/rest"
  fi
  for left in "$work/pii"/*; do [ ! -e "$left" ] || complain records.jws '' disclosure "record ${left##*/} is not here"; done
  newest=$(find "$work/receipts" -type f | sed 's|.*/||' | sort -n | tail -n 1)
  [ "${newest:-0}" -le "$last" ] || complain records.jws '' missing "records $((last + 1)) to $newest have receipts"
}

# --- What stands beside the records. Each takes a row of read.awk, and sets `why` where it is refused ---

# Sets `signer` to the first key of a list that signed.
signed_by() { # SIGNATURE KEY...
  found=$1 signer=''
  shift
  for key in "$@"; do
    take "$key" || return 1
    if believes "$key" "$dir/msg" "$found"; then signer=$key; return 0; fi
  done
  why=signature
  return 1
}

root_keys() { # ROLE: every key that root.jws names for it
  sed -n "s/^$1 //p" "$roots" | sort -u | tr '\n' ' '
}

root_file() { # the whole of root.jws; FORMAT.md section 11
  ver=0 body='' signers='' own='' old='' at=0
  while IFS=$tab read -r state signed signature r_body r_sms r_ver keys accept receipt order key; do
    at=$((at + 1))
    case $state in
      ok) ;;
      fields:*) # As a line it is whole, and of another version.
        enough || return 1
        why=${state#fields:}
        return 1
        ;;
      *) why=$state; return 1 ;;
    esac
    if [ "$r_body" != "$body" ]; then
      enough || return 1
      [ "$ver" -lt 64 ] || { why=root-too-long; return 1; }
      [ "$r_ver" = $((ver + 1)) ] || { why=root-version; return 1; }
      [ "$ver" = 0 ] || [ "$r_sms" = "$root_sms" ] || { why=stranger; return 1; }
      old=$own own=$keys ver=$r_ver body=$r_body signers='' root_sms=$r_sms
      for part in $keys $accept $receipt $order; do take "$part" || return 1; done
      printf 'accept %s\nreceipt %s\norder %s\norder%s %s\nhash %s\n' "$accept" "$receipt" "$order" "$ver" "$order" \
        "$(printf %s "$body" | digest)" >>"$work/roots"
    fi
    case " $own $old " in *" $key "*) ;; *) why=root-signer; return 1 ;; esac
    case " $signers " in *" $key "*) why=root-signer; return 1 ;; esac
    printf %s "$signed" >"$dir/msg"
    believes "$key" "$dir/msg" "$signature" || { why=signature; return 1; }
    signers="$signers $key"
  done <"$work/rows"
  enough || return 1
  [ "$ver" -gt 0 ] || { why=root-empty; return 1; }
  roots=$work/roots
  [ -z "$root_hash" ] || grep -qx "hash $root_hash" "$roots" || { why=root-unknown; return 1; }
}
enough() {
  [ "$ver" != 0 ] || return 0
  why=root-threshold
  for list in "$own" "$old"; do
    [ -n "$list" ] || continue
    good=0
    for one in $list; do case " $signers " in *" $one "*) good=$((good + 1)) ;; esac; done
    [ "$good" -ge 2 ] || return 1
  done
  why=
}

enrolment() {
  IFS=$tab read -r state signed signature what e_sms e_gw e_site e_identity e_receipt <<ROW
$1
ROW
  [ "$state" = ok ] || { why=$state; return 1; }
  printf %s "$signed" >"$dir/msg"
  take "$e_identity" || return 1
  if [ "$what" = request ]; then
    signed_by "$signature" "$e_identity" || return 1
    [ -z "$given" ] || [ "$given" = "$e_identity" ] || { why=acceptance; return 1; }
    return 0
  fi
  take "$e_receipt" || return 1
  if [ -n "$roots" ]; then
    # shellcheck disable=SC2046
    signed_by "$signature" $(root_keys accept) || return 1
    [ "$root_sms" = "$e_sms" ] || { why=system; return 1; }
  fi
  [ -z "$enrolled" ] || { why=acceptance; return 1; }
  enrolled=$(digest <"$dir/msg") sms=$e_sms all_owner="$e_gw $e_site" accepted=$e_identity receipt_key=$e_receipt
  [ -z "$given" ] || [ "$given" = "$accepted" ] || { why=acceptance; return 1; }
}

receipt() {
  IFS=$tab read -r state signed signature r_sms r_gw r_n r_prev upto r_head word <<ROW
$1
ROW
  [ "$state" = ok ] || { why=$state; return 1; }
  [ -n "$enrolled" ] || { why=unverifiable; return 1; }
  printf %s "$signed" >"$dir/msg"
  more=
  [ -z "$roots" ] || more=$(root_keys receipt)
  # shellcheck disable=SC2086
  signed_by "$signature" "$receipt_key" $more || return 1
  [ "$word" = - ] || { why=$word; return 1; }
  [ "$r_gw" = "${all_owner% *}" ] || { why=stranger; return 1; }
  [ "$r_sms" = "$sms" ] || { why=system; return 1; }
  count receipts
  last_n=$receipt_n last_link=${receipt_link:-$enrolled}
  [ "$r_n" -le "$receipt_n" ] || receipt_n=$r_n
  receipt_link=$(digest <"$dir/msg")
  known=$r_head
  if [ -e "$work/receipts/$upto" ]; then
    known=$(cat "$work/receipts/$upto")
  else
    [ "$receipts_held" -lt "$WITNESSES" ] || { why=too-many; return 1; }
    receipts_held=$((receipts_held + 1))
  fi
  echo "$r_head" >"$work/receipts/$upto"
  [ "$known" = "$r_head" ] || { why=receipts-differ; return 1; }
  if [ "$r_n" -le "$last_n" ] || { [ "$r_n" = $((last_n + 1)) ] && [ "$r_prev" != "$last_link" ]; }; then
    why=receipt-chain
    return 1
  fi
}

# Gateway and site, of which no file knows without an acceptance before its first record.
whose() { [ -n "$owner" ] || owner="$r_gw $r_site"; }

day() {
  fields "$1" || return 1
  whose
  genuine "$work/days" || return 1
  case $kind in epoch.open | summary.day) ;; *) why=misplaced; return 1 ;; esac
  [ "$seq" -gt "$day_last" ] || { why=backwards; return 1; }
  [ "$days_held" -lt "$SUMMARIES" ] || { why=too-many; return 1; }
  day_last=$seq days_held=$((days_held + 1))
  echo "$link" >"$work/kept/$seq"
  [ "$opens" = 1 ] || count days
}

order() {
  IFS=$tab read -r state signed signature what o_sms o_gw ver o_prev o_root word <<ROW
$1
ROW
  [ -n "$roots" ] || { why=unverifiable; return 1; }
  [ "$state" = ok ] || { why=$state; return 1; }
  printf %s "$signed" >"$dir/msg"
  # shellcheck disable=SC2046
  signed_by "$signature" $(root_keys order) || return 1
  [ "$word" = - ] || { why=$word; return 1; }
  [ -z "$all_owner" ] || [ "$o_gw" = "${all_owner% *}" ] || { why=stranger; return 1; }
  [ "$o_sms" = "$root_sms" ] || { why=system; return 1; }
  if [ "$what" = command ]; then
    count orders
    before=$command_n command_n=$ver
    [ "$ver" -gt "$before" ] || { why=order-chain; return 1; }
    return 0
  fi
  grep -qx "order$o_root $signer" "$roots" || { why=signature; return 1; }
  count orders
  # shellcheck disable=SC2086
  set -- $order_last
  order_last="$signer $ver $(digest <"$dir/msg")"
  [ "${1:-}" = "$signer" ] || return 0
  if [ "$ver" -le "$2" ] || { [ "$ver" = $(($2 + 1)) ] && [ "$o_prev" != "$3" ]; }; then why=order-chain; return 1; fi
}

left() {
  fields "$1" || return 1
  whose
  keys=$work/branch
  if [ "$opens" = 0 ] && [ ! -e "$work/branch/$ep" ]; then
    [ -z "$main_owner" ] || [ "$r_gw $r_site" = "$main_owner" ] || { why=stranger; return 1; }
    keys=$work/main
  fi
  genuine "$keys" || return 1
  if [ "$branch_last" != "$((seq - 1)) $prev" ]; then
    [ "$branches_held" -lt "$HELD" ] || { why=too-many; return 1; }
    branches_held=$((branches_held + 1))
    count branches
  fi
  : >"$work/links/$seq-$link"
  keep "$work/numbers" "$seq" "$seq"
  case $opens$tail_state in
    1rollback | 1reset)
      if [ "$tail_seq" != - ] && [ $((tail_seq + 1)) -lt "$seq" ]; then keep "$work/numbers" "$((tail_seq + 1))" "$((seq - 1))"; fi
      ;;
  esac
  branch_last="$seq $link"
}

exported() {
  fields "$1" || return 1
  [ -n "$owner" ] || owner=$main_owner
  whose
  genuine "$work/main" || return 1
  [ "$opens" = 0 ] || return 0
  if [ "$kind" != records.exported ] || [ -n "$manifest" ]; then why=misplaced; return 1; fi
  case $files in '!'*) why=${files#!}; return 1 ;; esac
  [ "$from" != - ] && [ "$to" != - ] || { why=field; return 1; }
  manifest="$seq $prev $from $to"
  printf %s "$files" | tr ',' '\n' | sort >"$work/named"
  echo >>"$work/named"
}

settle_branches() {
  cat "$work/numbers" "$work/lost" "$work/left" >"$work/known"
  awk '{ printf "%s %s %s\n", $1, $1, $5 }' "$work/tails" >"$work/asked"
  rests "$work/asked" "$work/left" | cut -d ' ' -f 3 >"$work/undisposed"
  awk '{ printf "%.0f %s %s\n", $3 + 1, $1, $5 }' "$work/tails" >"$work/asked"
  rests "$work/asked" "$work/known" | cut -d ' ' -f 3 | uniq >"$work/unknown"
  awk -v undisposed="$work/undisposed" -v unknown="$work/unknown" '
    BEGIN { while ((getline at <undisposed) > 0) U[at] = 1; while ((getline at <unknown) > 0) N[at] = 1 }
    { print $0, !($5 in U), !($5 in N) }' "$work/tails" >"$work/settled"
  while read -r t_seq t_link before t_opening at disposed known; do
    gap=0 there=$disposed
    [ $((before + 1)) -ge "$t_opening" ] || gap=1
    [ ! -e "$work/links/$t_seq-$t_link" ] || there=1
    [ "$gap" = 1 ] || [ "$branches" = 1 ] || there=1
    [ "$gap" = 0 ] || [ "$known" = 1 ] || there=0
    [ "$there" = 1 ] || complain records.jws "$at" tail "the branch that record $t_opening names is not here"
  done <"$work/settled"
}

# --- The bundle: FORMAT.md section 14 ---

# No awk need hold a zero byte: outside of escapes it is refused as any other control character is.
rows() { tr '\000' '\001' <"$2" | awk -v as="$1" -f "$here/read.awk"; }

each() { # FILE READ_AS FUNCTION
  [ -e "$folder/$1" ] || return 0
  rows "$2" "$folder/$1" >"$work/rows"
  at=0 owner=$all_owner
  while IFS= read -r row; do
    at=$((at + 1)) why=
    "$3" "$row" || complain "$1" "$at" "$why"
  done <"$work/rows"
}

seal() {
  if [ -z "$manifest" ]; then
    [ "$sealed" = 0 ] || complain MANIFEST.jws '' unsealed
    return 0
  fi
  for path in "$folder"/* "$folder"/.[!.]* "$folder"/..?*; do
    [ -e "$path" ] && [ "${path##*/}" != MANIFEST.jws ] || continue
    echo "${path##*/}:$(wc -c <"$path" | tr -d ' '):$(digest <"$path")" >>"$work/digests"
  done
  sort "$work/digests" >"$work/here"
  sed '/^$/d' "$work/named" | sort >"$work/there"
  comm -3 "$work/here" "$work/there" | tr -d '\t' | sed 's/:.*//' | sort -u >"$work/wrong"
  while read -r name; do complain MANIFEST.jws '' file "$name is not the file that the manifest names"; done <"$work/wrong"
  # shellcheck disable=SC2086
  set -- $manifest
  if [ "$3" != "$first" ] || [ "$4" != "$last" ] || [ "$1" -le "$last" ]; then
    complain MANIFEST.jws '' range "records $3 to $4"
  elif [ "$1" = $((last + 1)) ] && [ -n "$head_link" ] && [ "$2" != "$head_link" ]; then
    complain MANIFEST.jws '' break-prev
  fi
}

fits() { # FILE: it is there, and not too large to be read as a whole
  [ -e "$folder/$1" ] || return 1
  [ "$(wc -c <"$folder/$1")" -le 16777216 ] || { complain "$1" '' too-many; return 1; }
}

holds_any() { # FOLDER
  for file in root.jws enrol.jws receipts.jws summaries.jws sidecar.json orders.jws records.jws branches.jws \
    MANIFEST.jws REPORT.txt; do
    [ ! -e "$1/$file" ] || return 0
  done
  return 1
}

bundle() {
  folder=$1 started='' given=$identity_given
  begin
  if fits root.jws; then
    rows root "$folder/root.jws" >"$work/rows"
    why=
    root_file || complain root.jws '' "$why"
  elif [ -n "$root_hash" ] && [ ! -e "$folder/root.jws" ]; then
    complain root.jws '' root-unknown 'it is not there'
  fi
  each enrol.jws enrol enrolment
  [ -n "$enrolled" ] || complain enrol.jws '' unverifiable 'there is no acceptance'
  identity=${given:-$accepted}
  [ -n "$identity" ] || return 0
  each receipts.jws receipt receipt
  each summaries.jws record day
  if fits sidecar.json; then
    rows sidecar "$folder/sidecar.json" >"$work/rows"
    while IFS=$tab read -r o_seq o_salt o_text; do
      case $o_seq in '!'*) complain sidecar.json '' "${o_seq#!}"; continue ;; esac
      { decode "$o_salt"; decode "$o_text"; } | digest >"$work/pii/$o_seq"
    done <"$work/rows"
  fi
  each orders.jws order order
  each records.jws record record
  main_owner=$owner
  finish_records
  for taken in "$work/days"/*; do
    [ -e "$taken" ] && [ -e "$work/main/${taken##*/}" ] || continue
    cmp -s "$taken" "$work/main/${taken##*/}" || complain summaries.jws '' epoch-taken
  done
  branches=0
  each branches.jws record left
  if [ -e "$folder/branches.jws" ]; then
    branches=1
  fi
  settle_branches
  each MANIFEST.jws record exported
  seal
}

mutations() {
  begin
  owner='gate-7 harbour'
  identity=$(sed -n "s/^identity$tab.*$tab//p" "$1/keys.tsv")
  take "$identity"
  rows record "$1/records.jws" >"$work/rows"
  while IFS= read -r row; do fields "$row" && genuine "$work/main" || exit 1; done <"$work/rows"
  cut -f3 "$1/mutations.tsv" >"$work/lines"
  rows record "$work/lines" >"$work/rows"
  while IFS= read -r row; do
    why=accepted
    fields "$row" && { genuine "$work/main" && why=accepted; } || :
    echo "$why"
  done <"$work/rows" >"$work/words"
  cut -f1 "$1/mutations.tsv" | paste - "$work/words"
}

identity_given='' root_hash='' sealed=1 mutate=0
while [ $# -gt 0 ]; do
  case $1 in
    --identity=*) identity_given=${1#*=} ;;
    --root=*) root_hash=${1#*=} ;;
    --no-manifest) sealed=0 ;;
    --mutations) mutate=1 ;;
    --*) usage ;;
    *) break ;;
  esac
  shift
done
[ $# -gt 0 ] || usage
for path in "$@"; do [ -d "$path" ] || { echo "$path is not a folder" >&2; exit 2; }; done
if [ "$mutate" = 1 ]; then mutations "$1"; exit 0; fi
for path in "$@"; do holds_any "$path" || { echo "$path holds no file of a bundle" >&2; exit 2; }; done
if [ -n "$identity_given" ]; then
  case $identity_given in *[!A-Za-z0-9_-]*) echo "the identity is no key: base64" >&2; exit 2 ;; esac
  [ ${#identity_given} = 43 ] || { echo "the identity is no key: length" >&2; exit 2; }
  take "$identity_given" || { echo "the identity is no key: $why" >&2; exit 2; }
fi
bad=0
for path in "$@"; do
  [ $# = 1 ] || echo "== $path"
  bundle "$path"
  show || bad=1
done
[ -n "$identity_given" ] || echo 'note: verified with the identity that the bundle names itself; compare it with the one you trust'
exit $bad
