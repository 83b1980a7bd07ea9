"""Films that the tests of images share: made here with known grey values, and real ones if available."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from laudo.images import decode

REAL = Path(os.environ.get("LAUDO_REAL_DATA", ""))
real = pytest.mark.skipif(
    not os.environ.get("LAUDO_REAL_DATA"), reason="LAUDO_REAL_DATA names no folder of real inputs"
)

RAMP = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
"""256 x 64 pixels, 0 on the left to 255 on the right."""


def ramp(path: Path, *, mode: str = "L", **options: Any) -> Path:
    Image.fromarray(RAMP).convert(mode).save(path, **options)
    return path


DEEP = np.tile(np.arange(0, 4096, 16, dtype=np.uint16), (64, 1))
"""256 x 64 pixels of 12 bits, dark on the left."""


def grey(path: Path, **options: Any) -> np.ndarray[Any, np.dtype[np.int16]]:
    image = decode(path, **options).image
    assert image.mode == "L"
    return np.asarray(image).astype(np.int16)


def dicom(path: Path, pixels: np.ndarray[Any, Any], **tags: Any) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = (
        ExplicitVRLittleEndian,
        ComputedRadiographyImageStorage,
    )
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = (
        1,
        "MONOCHROME2",
        0,
    )
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelData = pixels.astype("<u2").tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def cut(path: Path, *, keep: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def negative(image: Image.Image) -> Image.Image:
    return image.point(lambda grey: 255 - grey)
