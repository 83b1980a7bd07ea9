"""Which decoder of compressed DICOM is right: every one that is installed against the same films.

python benchmarks/decoders.py [--seconds]

The films are drawn here, so the array that was encoded is the truth. Lossless JPEG is written by `lossless_jpeg.py`, which
shares no code with any decoder; the rest by Pillow, imagecodecs (CharLS, libjpeg-turbo) and OpenJPEG, so that there only
the agreement of independent decoders counts. Needs: pip install 'laudo[dicom]' imagecodecs pyjpegls dicomsdl
pydicom-jpeg-decoder pylibjpeg pylibjpeg-libjpeg pylibjpeg-rle python-gdcm. What is not installed is left out.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import pixel_array
from pydicom.uid import (
    HTJ2KLossless,
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

import lossless_jpeg

Pixels = np.ndarray[Any, Any]


class Case(NamedTuple):
    """A film as it was encoded; `tolerance` None: whatever is returned is wrong, since the data is damaged."""

    kind: str
    name: str
    syntax: str
    pixels: Pixels
    bits: int
    stream: bytes
    tolerance: int | None = 0


# --- films ------------------------------------------------------------------------------------------


def smooth(bits: int, rows: int = 120, columns: int = 144) -> Pixels:
    """A film of slow waves and noise, over most of the range."""
    down, across = np.mgrid[0:rows, 0:columns]
    waves = np.sin(down / rows * 9) * np.cos(across / columns * 7) * 0.45 + 0.5
    noise = np.random.default_rng(0).normal(0, 0.004, (rows, columns))
    return np.clip(np.rint((waves + noise) * (2**bits - 1)), 0, 2**bits - 1).astype(np.uint16)


def jumps(bits: int) -> Pixels:
    """A smooth film with a burnt-in label of extremes: differences of the whole range, at 16 bits also 32768."""
    film, top, rng = smooth(bits), 2**bits - 1, np.random.default_rng(1)
    film[10:40, 20:100] = rng.choice([0, top, (top + 1) // 2, 1], (30, 80))
    film[60:90, 20:100] = rng.integers(0, top + 1, (30, 80))
    return film


def typed(pixels: Pixels, bits: int) -> Pixels:
    return pixels.astype(np.uint8 if bits <= 8 else np.uint16)


# --- cases ------------------------------------------------------------------------------------------


def lossless_cases() -> Iterator[Case]:
    for bits in (8, 10, 12, 14, 16):
        for film in (smooth, jumps):
            pixels = film(bits)
            stream = lossless_jpeg.encode(pixels, bits=bits)
            kind = "JPEG lossless SV1" + (", jumps" if film is jumps else "")
            yield Case(kind, f"{bits} bits", JPEGLosslessSV1, pixels, bits, stream)
    for selection in range(1, 8):
        pixels = jumps(16)
        stream = lossless_jpeg.encode(pixels, bits=16, selection=selection)
        yield Case("JPEG lossless 1-7, jumps", f"predictor {selection}", JPEGLossless, pixels, 16, stream)
        pixels = smooth(12)
        stream = lossless_jpeg.encode(pixels, bits=12, selection=selection)
        yield Case("JPEG lossless 1-7", f"predictor {selection}", JPEGLossless, pixels, 12, stream)
    for bits in (12, 16):
        stream = lossless_jpeg.encode(jumps(bits), bits=bits, rows_a_restart=16)
        yield Case(
            "JPEG lossless, restarts", f"{bits} bits", JPEGLosslessSV1, jumps(bits), bits, stream
        )
    pixels = smooth(12)
    stream = lossless_jpeg.encode(pixels, bits=12, point_transform=2)
    yield Case("JPEG lossless, point transform", "2", JPEGLosslessSV1, pixels >> 2 << 2, 12, stream)
    pixels = smooth(12)
    stream = lossless_jpeg.encode(pixels, bits=16)
    yield Case("JPEG lossless, 12 bits in 16", "12 in 16", JPEGLosslessSV1, pixels, 12, stream)
    for bits in (8, 12):
        stream = lossless_jpeg.encode(jumps(bits), bits=bits, wrap_bits=bits)
        yield Case("JPEG lossless, wrapped at its bits", f"{bits}", JPEGLosslessSV1, jumps(bits), bits, stream)
    for bits in (12, 16):
        signed = (jumps(bits).astype(np.int32) - 2 ** (bits - 1)).astype(np.int16)
        stream = lossless_jpeg.encode(signed.astype(np.int64) & (2**bits - 1), bits=bits)
        yield Case("JPEG lossless, signed", f"{bits} bits", JPEGLosslessSV1, signed, bits, stream)


def jpeg_cases() -> Iterator[Case]:
    import imagecodecs

    pixels = typed(smooth(8), 8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=100)
    yield Case("JPEG baseline", "8 bits", JPEGBaseline8Bit, pixels, 8, file.getvalue(), 2)
    yield Case("JPEG extended", "8 bits", JPEGExtended12Bit, pixels, 8, file.getvalue(), 2)
    stream = imagecodecs.jpeg_encode(smooth(12), level=100, bitspersample=12)
    yield Case("JPEG extended", "12 bits", JPEGExtended12Bit, smooth(12), 12, stream, 4)


def jpeg_ls_cases() -> Iterator[Case]:
    import imagecodecs

    for bits in (8, 10, 12, 16):
        pixels = typed(jumps(bits), bits)
        stream = jpeg_ls(pixels)
        yield Case("JPEG-LS", f"{bits} bits", JPEGLSLossless, pixels, bits, stream)
    signed = (jumps(12).astype(np.int32) - 2048).astype(np.int16)
    stream = jpeg_ls((signed & 0xFFF).astype(np.uint16))
    yield Case("JPEG-LS, signed", "12 bits", JPEGLSLossless, signed, 12, stream)
    pixels = smooth(12)
    yield Case("JPEG-LS near-lossless", "12 bits", JPEGLSNearLossless, pixels, 12, jpeg_ls(pixels, near=2), 2)
    stream = imagecodecs.jpegls_encode(smooth(12))
    yield Case("JPEG-LS, 12 bits in 16", "12 in 16", JPEGLSLossless, smooth(12), 12, stream)


def jpeg_ls(pixels: Pixels, *, near: int = 0) -> bytes:
    """Returns JPEG-LS by CharLS, of as many bits as the largest pixel has."""
    from jpeg_ls import encode_array

    return bytes(encode_array(pixels, lossy_error=near))


def jpeg_2000_cases() -> Iterator[Case]:
    from openjpeg.utils import encode_array

    for bits in (8, 10, 12, 16):
        pixels = typed(jumps(bits), bits)
        stream = encode_array(pixels, bits_stored=bits, photometric_interpretation=2)
        yield Case("JPEG 2000", f"{bits} bits", JPEG2000Lossless, pixels, bits, stream)
    for bits in (12, 16):
        signed = (jumps(bits).astype(np.int32) - 2 ** (bits - 1)).astype(np.int16)
        stream = encode_array(signed, bits_stored=bits, photometric_interpretation=2)
        yield Case("JPEG 2000, signed", f"{bits} bits", JPEG2000Lossless, signed, bits, stream)
    for bits in (12, 16):
        stream = encode_array(smooth(bits), bits_stored=bits, photometric_interpretation=2, compression_ratios=[2])
        tolerance = 2 ** (bits - 8)
        yield Case("JPEG 2000, lossy", f"{bits} bits", JPEG2000, smooth(bits), bits, stream, tolerance)


def rle_cases() -> Iterator[Case]:
    for bits in (8, 12, 16):
        pixels = typed(jumps(bits), bits)
        dataset = data_set(Case("", "", pydicom.uid.ExplicitVRLittleEndian, pixels, bits, b""))
        dataset.PixelData = pixels.tobytes()
        dataset.compress(RLELossless, encoding_plugin="pydicom")
        yield Case("RLE", f"{bits} bits", RLELossless, pixels, bits, get_frame(dataset.PixelData, 0))


def damaged(case: Case) -> Iterator[Case]:
    half = case.stream[: len(case.stream) // 2]
    yield case._replace(kind=f"damaged: {case.kind}", name="cut", stream=half, tolerance=None)
    if case.syntax != RLELossless:
        end = half + b"\xff\xd9"
        yield case._replace(kind=f"damaged: {case.kind}", name="cut, end", stream=end, tolerance=None)
        zeros = half + bytes(len(case.stream) - len(half) - 2) + b"\xff\xd9"
        yield case._replace(kind=f"damaged: {case.kind}", name="zeros", stream=zeros, tolerance=None)


def all_cases() -> list[Case]:
    groups = lossless_cases, jpeg_cases, jpeg_ls_cases, jpeg_2000_cases, rle_cases
    cases = [case for group in groups for case in group()]
    plain = ["JPEG lossless SV1", "JPEG baseline", "JPEG extended", "JPEG-LS", "JPEG 2000", "RLE"]
    for kind in plain:
        cases += damaged([case for case in cases if case.kind == kind][-1])
    return cases


def data_set(case: Case) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = case.syntax
    meta.MediaStorageSOPClassUID = pydicom.uid.ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    dataset.Rows, dataset.Columns = case.pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelRepresentation = int(case.pixels.dtype.kind == "i")
    dataset.BitsAllocated = 8 if case.bits <= 8 else 16
    dataset.BitsStored, dataset.HighBit = case.bits, case.bits - 1
    if case.stream:
        dataset.PixelData = encapsulate([case.stream])
        dataset["PixelData"].VR = "OB"
    return dataset


# --- decoders ---------------------------------------------------------------------------------------


def by_plugin(name: str) -> Callable[[Case], Pixels]:
    def decode(case: Case) -> Pixels:
        file = BytesIO()
        data_set(case).save_as(file, enforce_file_format=True)
        file.seek(0)
        return pixel_array(file, decoding_plugin=name)

    return decode


def imagecodecs_(case: Case) -> Pixels:
    import imagecodecs

    syntax = case.syntax
    if syntax == RLELossless:
        return imagecodecs.dicomrle_decode(case.stream, dtype=case.pixels.dtype).reshape(case.pixels.shape)
    if syntax in (JPEGLSLossless, JPEGLSNearLossless):
        decoded = imagecodecs.jpegls_decode(case.stream)
    elif syntax in (JPEG2000, JPEG2000Lossless, HTJ2KLossless):
        decoded = imagecodecs.jpeg2k_decode(case.stream)
    else:
        decoded = imagecodecs.jpeg_decode(case.stream)
    if case.pixels.dtype.kind == "i":
        shift = 16 - case.bits
        decoded = (decoded.astype(np.uint16) << shift).view(np.int16) >> shift
    return decoded


def dicomsdl_(case: Case) -> Pixels:
    import dicomsdl

    file = BytesIO()
    data_set(case).save_as(file, enforce_file_format=True)
    return dicomsdl.open_memory(file.getvalue()).pixelData(storedvalue=True)


def gdcm_(case: Case) -> Pixels:
    """GDCM by its own reader of files, without pydicom."""
    import tempfile

    import gdcm

    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        data_set(case).save_as(file.name, enforce_file_format=True)
        reader = gdcm.ImageReader()
        reader.SetFileName(file.name)
        if not reader.Read():
            raise ValueError("not read")
        image = reader.GetImage()
        data = image.GetBuffer().encode("utf-8", "surrogateescape")
    return np.frombuffer(data, case.pixels.dtype).reshape(case.pixels.shape)


def pydicom_jpeg_decoder_(case: Case) -> Pixels:
    from pydicom_jpeg_decoder import install_plugins

    install_plugins()
    return by_plugin("pydicom-jpeg-decoder")(case)


def simpleitk_(case: Case) -> Pixels:
    import tempfile

    import SimpleITK

    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        data_set(case).save_as(file.name, enforce_file_format=True)
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(file.name))[0]


def laudo_(case: Case) -> Pixels:
    from laudo.images.transfer import stored_values

    file = BytesIO()
    data_set(case).save_as(file, enforce_file_format=True)
    return stored_values(pydicom.dcmread(BytesIO(file.getvalue())))


DECODERS: dict[str, Callable[[Case], Pixels]] = {
    "laudo": laudo_,
    "pylibjpeg": by_plugin("pylibjpeg"),
    "gdcm": by_plugin("gdcm"),
    "gdcm itself": gdcm_,
    "pyjpegls": by_plugin("pyjpegls"),
    "pillow": by_plugin("pillow"),
    "pydicom": by_plugin("pydicom"),
    "imagecodecs": imagecodecs_,
    "dicomsdl": dicomsdl_,
    "jpeg_decoder": pydicom_jpeg_decoder_,
    "simpleitk": simpleitk_,
}


def verdict(name: str, case: Case) -> str:
    try:
        decoded = DECODERS[name](case)
    except Exception as error:
        if os.environ.get("WHY"):
            print(name, case.kind, case.name, type(error).__name__, " ".join(str(error).split())[:200])
        return "refused"
    if decoded.shape != case.pixels.shape:
        return "wrong shape"
    if case.tolerance is None:
        return "kept"
    wrong = np.abs(decoded.astype(np.int64) - case.pixels) > case.tolerance
    return f"wrong {wrong.mean():.1%}" if wrong.any() else "right"


def main() -> None:
    cases = all_cases()
    logging.disable(logging.CRITICAL)
    for name in os.environ.get("ONLY", "").split() or DECODERS:
        print("==", name)
        for n, case in enumerate(cases):
            reader, writer = multiprocessing.Pipe()
            process = multiprocessing.get_context("fork").Process(target=lambda: writer.send(verdict(name, case)))
            process.start()
            process.join(60)
            said = reader.recv() if reader.poll() else f"crashed {process.exitcode}"
            print(f"  {case.kind:40s} {case.name:14s} {said}", flush=True)


if __name__ == "__main__":
    main()
