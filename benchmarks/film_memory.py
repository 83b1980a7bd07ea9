"""The most memory that decoding a film takes, in bytes a pixel, by kind of file.

python benchmarks/film_memory.py [--side 6000]

Each film is decoded in a process of its own; what the process held before is taken off.
"""

from __future__ import annotations

import argparse
import multiprocessing
import struct
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    generate_uid,
)

from laudo import images


def levels(side: int, top: int) -> np.ndarray:
    """A slope with noise from 0 to `top`, (side, side) of 16 bits."""
    slope = np.linspace(0, top - 16, side, dtype=np.float32)[None, :].repeat(side, 0)
    return (slope + np.random.default_rng(1).integers(0, 16, (side, side))).astype(np.uint16)


def write_dicom(path: Path, side: int, **tags: object) -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.Rows = dataset.Columns = side
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = levels(side, 4095).tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)


def write_compressed(path: Path, side: int, encode: Callable[..., bytes], syntax: UID) -> None:
    write_dicom(path, side)
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([encode(levels(side, 4095))])
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)


def write_png(path: Path, side: int, colour: int) -> None:
    channels = {0: 1, 2: 3, 6: 4}[colour]
    rows = levels(side, 65535).astype(">u2").repeat(channels, axis=1)
    scanlines = np.hstack([np.zeros((side, 1), np.uint8), rows.view(np.uint8)]).tobytes()

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 16, colour, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(scanlines, 1)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def write_jpeg(path: Path, side: int, mode: str) -> None:
    Image.fromarray((levels(side, 4095) >> 4).astype(np.uint8)).convert(mode).save(path, quality=95)


lossless_jpeg = partial(imagecodecs.ljpeg_encode, bitspersample=12)
jpeg_2000 = partial(imagecodecs.jpeg2k_encode, level=0, reversible=True, codecformat="j2k")

WINDOW = {"WindowCenter": 2000, "WindowWidth": 3000}
FILMS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "DICOM, no window": (".dcm", write_dicom),
    "DICOM, window": (".dcm", lambda path, side: write_dicom(path, side, **WINDOW)),
    "DICOM, sigmoid": (".dcm", lambda p, side: write_dicom(p, side, **WINDOW, VOILUTFunction="SIGMOID")),
    "DICOM, lossless JPEG": (
        ".dcm",
        lambda path, side: write_compressed(path, side, lossless_jpeg, JPEGLosslessSV1),
    ),
    "DICOM, JPEG 2000": (
        ".dcm",
        lambda path, side: write_compressed(path, side, jpeg_2000, JPEG2000Lossless),
    ),
    "PNG, 16-bit grey": (".png", lambda path, side: write_png(path, side, 0)),
    "PNG, 16-bit RGB": (".png", lambda path, side: write_png(path, side, 2)),
    "PNG, 16-bit RGBA": (".png", lambda path, side: write_png(path, side, 6)),
    "JPEG, grey": (".jpg", lambda path, side: write_jpeg(path, side, "L")),
    "JPEG, colour": (".jpg", lambda path, side: write_jpeg(path, side, "RGB")),
}


def peak_bytes() -> int:
    """VmHWM of Linux: `getrusage` would count what the parent held when it started this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def decoded(path: Path, small: Path) -> tuple[int, int]:
    """Bytes before and the most bytes while a film is decoded; the libraries are loaded by a small one."""
    images.decode(small, size_px=896, view="PA")
    before = peak_bytes()
    images.decode(path, size_px=896, view="PA")
    return before, peak_bytes() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=6000)
    side = parser.parse_args().side
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for name, (suffix, write) in FILMS.items():
            path, small = Path(folder) / f"film{suffix}", Path(folder) / f"small{suffix}"
            write(path, side)
            write(small, 400)
            with context.Pool(1) as process:
                before, more = process.apply(decoded, (path, small))
            print(f"{name}: {more / side**2:.1f} bytes a pixel, beside {before / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
