"""Reads the QR code that stands in half blocks on standard input, as a terminal shows it that writes light on dark."""

import sys

import zxingcpp

MODULE = 4  # pixels
UPPER, LOWER = "\u2580\u2588", "\u2584\u2588"
DARK, LIGHT = 0, 255

lines = sys.stdin.read().splitlines()
columns = max(map(len, lines))
rows = []
for line in lines:
    for half in (UPPER, LOWER):
        rows.append([LIGHT if glyph in half else DARK for glyph in line.ljust(columns)])

# The screen around it is dark.
margin = 4
wide = columns + 2 * margin
empty = [[DARK] * wide] * margin
framed = empty + [[DARK] * margin + row + [DARK] * margin for row in rows] + empty
pixels = b"".join(bytes(pixel for pixel in row for _ in range(MODULE)) * MODULE for row in framed)
image = memoryview(pixels).cast("B", (len(framed) * MODULE, wide * MODULE))

# Not every phone reads a code whose dark and light are exchanged.
found = zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormat.QRCode, try_invert=False)
if len(found) != 1:
    sys.exit(f"{len(found)} QR codes were found")
print(found[0].text)
