# Checks a public key, given as 64 hexadecimal digits: FORMAT.md section 5. Prints `ok` or the word.
# Numbers are arrays of 12 limbs of 22 bits, lowest first, in one array M under "name,limb": every product of the school
# method stays below 2^53, which is what awk counts exactly.

function hexval(c) { return index("0123456789abcdef", c) - 1 }

function load(name, hex,    i, bit, n, b, j) { # big-endian hexadecimal
  for (i = 0; i < N; i++) M[name, i] = 0
  n = length(hex)
  for (i = 0; i < n; i++) {
    b = hexval(substr(hex, n - i, 1))
    for (j = 0; j < 4; j++) {
      bit = 4 * i + j
      if (int(b / 2 ^ j) % 2) M[name, int(bit / W)] += 2 ^ (bit % W)
    }
  }
}
function set(name, n,    i) { for (i = 0; i < N; i++) M[name, i] = 0; M[name, 0] = n }
function copy(to, a,    i) { for (i = 0; i < N; i++) M[to, i] = M[a, i] }

# 2^264 = 19 * 2^9 mod p, and bits from 255 on count 19 times.
function carry(name,    i, c) {
  c = 0
  for (i = 0; i < N; i++) {
    c += M[name, i]
    M[name, i] = c - int(c / B) * B
    if (M[name, i] < 0) M[name, i] += B
    c = (c - M[name, i]) / B
  }
  return c
}
function reduce(name,    c, top) {
  c = carry(name)
  M[name, 0] += c * 9728
  c = carry(name)
  M[name, 0] += c * 9728
  top = int(M[name, N - 1] / 8192) # limb 11 begins at bit 242: 13 bits to 255
  M[name, N - 1] -= top * 8192
  M[name, 0] += top * 19
  carry(name)
}
function plus(to, a, b,    i) { for (i = 0; i < N; i++) T[i] = M[a, i] + M[b, i]; take(to) }
function minus(to, a, b,    i) { for (i = 0; i < N; i++) T[i] = M[a, i] - M[b, i] + 2 * M["p", i]; take(to) }
function take(to,    i) { for (i = 0; i < N; i++) M[to, i] = T[i]; reduce(to) }
function mul(to, a, b,    i, j, x, c) {
  for (i = 0; i < 2 * N; i++) T[i] = 0
  for (i = 0; i < N; i++) {
    x = M[a, i]
    if (x) for (j = 0; j < N; j++) T[i + j] += x * M[b, j]
  }
  c = 0
  for (i = 0; i < 2 * N; i++) { c += T[i]; T[i] = c % B; c = int(c / B) }
  for (i = 0; i < N; i++) T[i] += T[i + N] * 9728
  take(to)
}
# The one representation below p.
function canonical(name,    i, above) {
  reduce(name)
  reduce(name)
  above = 1
  for (i = N - 1; i >= 0 && above == 1; i--) {
    if (M[name, i] < M["p", i]) above = 0
    else if (M[name, i] > M["p", i]) above = 2
  }
  if (above) { for (i = 0; i < N; i++) M[name, i] -= M["p", i]; carry(name) }
}
function is_zero(name,    i) { canonical(name); for (i = 0; i < N; i++) if (M[name, i]) return 0; return 1 }
function equal(a, b) { minus("eq", a, b); return is_zero("eq") }

# to = a ^ exponent, with the exponent as bits, highest first.
function power(to, a, bits,    i) {
  set("acc", 1)
  copy("base", a)
  for (i = 1; i <= length(bits); i++) {
    mul("acc", "acc", "acc")
    if (substr(bits, i, 1) == "1") mul("acc", "acc", "base")
  }
  copy(to, "acc")
}
function ones(n,    text) { while (n-- > 0) text = text "1"; return text }
function bits_of(hex,    i, j, b, text) {
  for (i = 1; i <= length(hex); i++) {
    b = hexval(substr(hex, i, 1))
    for (j = 3; j >= 0; j--) text = text (int(b / 2 ^ j) % 2)
  }
  sub(/^0+/, "", text)
  return text
}

# Points are x, y, z, t: RFC 8032 section 5.1.4.
function add(to, a, b) {
  minus("u", a "y", a "x"); minus("v", b "y", b "x"); mul("A", "u", "v")
  plus("u", a "y", a "x"); plus("v", b "y", b "x"); mul("Bp", "u", "v")
  mul("u", a "t", b "t"); mul("C", "u", "d2")
  mul("u", a "z", b "z"); plus("Dp", "u", "u")
  minus("E", "Bp", "A"); minus("F", "Dp", "C"); plus("G", "Dp", "C"); plus("H", "Bp", "A")
  mul(to "x", "E", "F"); mul(to "y", "G", "H"); mul(to "t", "E", "H"); mul(to "z", "F", "G")
}
function times(to, bits, a,    i) {
  set(to "x", 0); set(to "y", 1); set(to "z", 1); set(to "t", 0)
  for (i = 1; i <= length(bits); i++) {
    add(to, to, to)
    if (substr(bits, i, 1) == "1") add(to, to, a)
  }
}
function neutral(a) { return is_zero(a "x") && equal(a "y", a "z") }

function word(hex,    i, big, top, sign) {
  for (i = 63; i >= 1; i -= 2) big = big substr(hex, i, 2)
  top = hexval(substr(big, 1, 1))
  sign = top >= 8
  big = substr("01234567", top % 8 + 1, 1) substr(big, 2)
  # p is 7f..ed: nothing above it in its two hexadecimal digits at the end.
  if (substr(big, 1, 62) == "7" substr(ALL, 1, 61) && substr(big, 63) >= "ed") return "key-encoding"
  load("Py", big)
  set("one", 1)
  load("d", "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3")
  load("d2", "2406d9dc56dffce7198e80f2eef3d13000e0149a8283b156ebd69b9426b2f159")
  load("i", "2b8324804fc1df0b2b4d00993dfbd7a72f431806ad2fe478c4ee1b274a0ea0b0")
  mul("yy", "Py", "Py"); minus("U", "yy", "one"); mul("V", "yy", "d"); plus("V", "V", "one")
  mul("v2", "V", "V"); mul("v3", "v2", "V"); mul("v7", "v3", "v3"); mul("v7", "v7", "V")
  mul("uv7", "U", "v7")
  power("root", "uv7", ones(250) "01") # (p - 5) / 8 = 2^252 - 3
  mul("Px", "U", "v3"); mul("Px", "Px", "root")
  mul("xx", "Px", "Px"); mul("xx", "xx", "V")
  if (!equal("xx", "U")) { mul("Px", "Px", "i"); mul("xx", "Px", "Px"); mul("xx", "xx", "V") }
  if (!equal("xx", "U")) return "key-encoding"
  canonical("Px")
  if (is_zero("Px") && sign) return "key-encoding"
  if (M["Px", 0] % 2 != sign) { set("zero", 0); minus("Px", "zero", "Px"); canonical("Px") }
  set("Pz", 1)
  mul("Pt", "Px", "Py")
  times("Q", "1000", "P")
  if (neutral("Q")) return "key-weak"
  times("Q", bits_of("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed"), "P")
  if (!neutral("Q")) return "key-torsion"
  return "ok"
}

BEGIN {
  N = 12; W = 22; B = 2 ^ W
  ALL = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
  load("p", "7" substr(ALL, 1, 61) "ed")
}
{ print word($0) }
