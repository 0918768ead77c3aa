"""The figures' font, as light as figures need it."""

import functools
import hashlib
import io
from pathlib import Path

from fpt_bench.results.atomic import write_atomically

_FAMILY, _OURS = "DejaVu Sans", "FPT Sans"
_FACES = ("DejaVuSans", "DejaVuSans-Bold")
_TYPESETTING = ("GSUB", "GPOS", "GDEF", "MATH", "FFTM")


@functools.cache
def light_family() -> str:
    """Return the name of a family that is DejaVu Sans, all of its glyphs, without tables for ligatures and marks.

    Every PDF carries the glyphs that it shows, and cutting them out of the whole font takes a quarter of a report's
    time, three quarters of it for those tables. They lie in matplotlib's cache, made at first use; under a name of
    their own, so that nobody's figures change and none takes them for the font that they were made from. Where they
    cannot lie there, DejaVu Sans itself serves, and takes longer.
    """
    import matplotlib as mpl
    from matplotlib.font_manager import fontManager

    folder = Path(mpl.get_cachedir())
    try:
        for face in _FACES:
            content = _lightened(Path(mpl.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf")
            path = folder / f"fpt-bench-{hashlib.sha256(content).hexdigest()[:12]}-{face}.ttf"
            if not path.exists() or path.read_bytes() != content:
                write_atomically(path, content)
            fontManager.addfont(path)
    except OSError:
        return _FAMILY
    return _OURS


def _lightened(path: Path) -> bytes:
    from fontTools.ttLib import TTFont

    with TTFont(path, recalcTimestamp=False) as font, io.BytesIO() as stream:
        for table in set(_TYPESETTING) & set(font.keys()):
            del font[table]
        for record in font["name"].names:
            said = record.toUnicode()
            record.string = said.replace(_FAMILY, _OURS).replace(_FAMILY.replace(" ", ""), _OURS.replace(" ", ""))
        font.save(stream)
        return stream.getvalue()
