"""From the pixel data of a DICOM to stored values, each transfer syntax by a decoder that was found right.

`docs/images.md` has the table of decoders. Which one is used never depends on what else is installed: pydicom
by itself for uncompressed data and RLE, imagecodecs (libjpeg-turbo, CharLS, OpenJPEG) for all kinds of JPEG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laudo.images.jpeg import END, misses_data

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

    from laudo.images.grey import Values

_PLUGIN = "laudo"

_CODECS = {
    "1.2.840.10008.1.2.4.50": "jpeg8",  # baseline
    "1.2.840.10008.1.2.4.51": "jpeg8",  # extended, 8 or 12 bits
    "1.2.840.10008.1.2.4.57": "jpeg8",  # lossless
    "1.2.840.10008.1.2.4.70": "jpeg8",  # lossless, selection value 1
    "1.2.840.10008.1.2.4.80": "jpegls",
    "1.2.840.10008.1.2.4.81": "jpegls",  # near-lossless
    "1.2.840.10008.1.2.4.90": "jpeg2k",  # lossless
    "1.2.840.10008.1.2.4.91": "jpeg2k",
    "1.2.840.10008.1.2.4.201": "jpeg2k",  # high throughput, lossless
    "1.2.840.10008.1.2.4.202": "jpeg2k",  # high throughput, lossless, by resolution
    "1.2.840.10008.1.2.4.203": "jpeg2k",  # high throughput
}
"""The codec of imagecodecs for each transfer syntax (PS3.6, table A-1)."""


def decoded(dataset: Any) -> Values:
    """Returns the pixels of a data set with one frame of grey, in the type that its tags say.

    Raises:
        ImportError: imagecodecs is needed and not installed.
        Exception: of pydicom or of the codec, with the reason; damaged, or of an unknown transfer syntax.
    """
    from pydicom.pixels import get_decoder, pixel_array

    syntax = dataset.file_meta.TransferSyntaxUID
    plugin = "pydicom"
    if syntax in _CODECS:
        import imagecodecs  # noqa: F401  pydicom would take its absence for a damaged film

        plugin, decoder = _PLUGIN, get_decoder(syntax)
        if plugin not in decoder.available_plugins:
            decoder.add_plugin(plugin, (__name__, decode_frame.__name__))
    try:
        values: Values = pixel_array(dataset, decoding_plugin=plugin)
    except RuntimeError as error:
        _, _, reason = str(error).rpartition(f"{plugin}: ")
        raise ValueError(reason) from error
    return values


def is_available(syntax: str) -> bool:
    """Returns whether `decode_frame` decodes this transfer syntax; pydicom asks."""
    return syntax in _CODECS


def decode_frame(stream: bytes, runner: DecodeRunner) -> bytes:
    """Returns the pixels of a code stream, as pydicom asks its plugins for them.

    pydicom then drops unused bits and gives negative values their sign.
    """
    import imagecodecs

    codec = _CODECS[runner.transfer_syntax]
    decode = getattr(imagecodecs, f"{codec}_decode")
    # The data of none of them holds this marker. CharLS counts zeros for 8 seconds instead of an end.
    if END not in stream:
        raise ValueError("its code stream is truncated (its end is missing)")
    pixels = decode(stream)
    if pixels.shape != (runner.rows, runner.columns):
        raise ValueError(f"its code stream has the shape {pixels.shape}, its head says otherwise")
    frame: bytes = pixels.tobytes()
    # CharLS and OpenJPEG refuse what is not whole; libjpeg completes it.
    if codec == "jpeg8" and misses_data(stream, lambda more: decode(more).tobytes() != frame):
        raise ValueError("its lower part is flat grey: data is missing")
    runner.set_option("bits_allocated", 8 * pixels.itemsize)
    return frame
