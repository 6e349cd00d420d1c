"""PDFs written by hand for tests: no library between what is drawn and what is read."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Text = tuple[float, float, str]  # x, y in points from the lower left, text


def write_pdf(pages: Sequence[Sequence[Text]], size: float = 10.0) -> bytes:
    """Write a PDF with text at given places, in Helvetica, without compression."""
    return drawn(
        [
            "\n".join(f"BT /F1 {size} Tf 1 0 0 1 {x} {y} Tm ({_escaped(text)}) Tj ET" for x, y, text in page)
            for page in pages
        ]
    )


def drawn(contents: Sequence[str], images: Sequence[npt.NDArray[np.uint8]] = ()) -> bytes:
    """Write a PDF with the given content streams, one a page; /F1 is Helvetica, /I0, /I1, ... the grey pictures."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    names = []
    for number, image in enumerate(images):
        data = zlib.compress(image.tobytes())
        objects.append(
            b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent 8 "
            b"/Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream"
            % (image.shape[1], image.shape[0], len(data), data)
        )
        names.append(b"/I%d %d 0 R" % (number, len(objects)))
    kids = []
    for content in contents:
        stream = content.encode("cp1252")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> /XObject << %s >> >> >>" % (len(objects), b" ".join(names))
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
