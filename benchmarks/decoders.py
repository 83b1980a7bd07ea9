"""Which decoder of compressed DICOM is right: every one that is installed, against the same films.

python benchmarks/decoders.py [--damaged 400]

The films are drawn here, so the array that was encoded is the truth. Lossless JPEG is written by `lossless_jpeg.py`, which
shares no code with any decoder. The rest is written by Pillow, imagecodecs and pyjpegls (libjpeg-turbo, OpenJPEG, CharLS): there
it counts that decoders agree. Every decoder runs in a process of its own, as some of them crash.

Needs `laudo[dicom]`; those to compare with: pip install dicomsdl pydicom-jpeg-decoder pyjpegls pylibjpeg pylibjpeg-libjpeg
pylibjpeg-openjpeg python-gdcm
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import random
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import pixel_array
from pydicom.pixels.decoders import JPEGBaseline8BitDecoder

import lossless_jpeg
from laudo.images.transfer import decoded

Pixels = np.ndarray[Any, Any]


class Case(NamedTuple):
    """A film as it was encoded; a lossy one may differ by `tolerance`."""

    kind: str
    name: str
    syntax: str
    pixels: Pixels
    bits: int
    stream: bytes
    tolerance: int = 0


# --- films ------------------------------------------------------------------------------------------


def smooth(bits: int, rows: int = 120, columns: int = 144) -> Pixels:
    """A film of slow waves and noise, over most of the range."""
    down, across = np.mgrid[0:rows, 0:columns]
    waves = np.sin(down / rows * 9) * np.cos(across / columns * 7) * 0.45 + 0.5
    noise = np.random.default_rng(0).normal(0, 0.004, (rows, columns))
    film = np.clip(np.rint((waves + noise) * (2**bits - 1)), 0, 2**bits - 1)
    return film.astype(np.uint8 if bits <= 8 else np.uint16)


def jumps(bits: int) -> Pixels:
    """A smooth film with areas of extremes and of noise: differences of the whole range, at 16 bits also 32768."""
    film, top, rng = smooth(bits), 2**bits - 1, np.random.default_rng(1)
    film[10:40, 20:100] = rng.choice([0, top, (top + 1) // 2, 1], (30, 80))
    film[60:90, 20:100] = rng.integers(0, top + 1, (30, 80))
    return film


def signed(film: Pixels, bits: int) -> Pixels:
    return (film.astype(np.int32) - 2 ** (bits - 1)).astype(np.int16)


def twos_complement(film: Pixels, bits: int) -> Pixels:
    return (film.astype(np.int32) & (2**bits - 1)).astype(np.uint16)


# --- cases ------------------------------------------------------------------------------------------


def lossless_cases() -> Iterator[Case]:
    encode, sv1 = lossless_jpeg.encode, uid.JPEGLosslessSV1
    for bits in (8, 10, 12, 14, 16):
        for kind, film in (
            ("lossless", smooth(bits)),
            ("lossless, differences of the whole range", jumps(bits)),
        ):
            yield Case(f"JPEG {kind}", f"{bits} bits", sv1, film, bits, encode(film, bits=bits))
    for selection in range(1, 8):
        for bits, film in ((12, smooth(12)), (16, jumps(16))):
            stream = encode(film, bits=bits, selection=selection)
            name = f"{bits} bits, predictor {selection}"
            yield Case("JPEG lossless, predictors 1 to 7", name, uid.JPEGLossless, film, bits, stream)
    for bits in (12, 16):
        film = jumps(bits)
        stream = encode(film, bits=bits, rows_a_restart=16)
        yield Case("JPEG lossless, restart markers", f"{bits} bits", sv1, film, bits, stream)
        film = signed(film, bits)
        stream = encode(twos_complement(film, bits), bits=bits)
        yield Case("JPEG lossless, signed", f"{bits} bits", sv1, film, bits, stream)
    film = smooth(12)
    stream = encode(film, bits=12, point_transform=2)
    yield Case("JPEG lossless, point transform", "12 bits", sv1, film >> 2 << 2, 12, stream)
    yield Case("JPEG lossless, 12 bits coded as 16", "12 bits", sv1, film, 12, encode(film, bits=16))
    for bits in (8, 12):
        film = jumps(bits)
        stream = encode(film, bits=bits, wrap_bits=bits)
        yield Case(
            "JPEG lossless, differences that wrap at its bits", f"{bits} bits", sv1, film, bits, stream
        )


def jpeg_cases() -> Iterator[Case]:
    film, file = smooth(8), BytesIO()
    Image.fromarray(film).save(file, "JPEG", quality=100)
    yield Case("JPEG baseline", "8 bits", uid.JPEGBaseline8Bit, film, 8, file.getvalue(), 2)
    yield Case("JPEG extended, 8 bits", "8 bits", uid.JPEGExtended12Bit, film, 8, file.getvalue(), 2)
    film = smooth(12)
    stream = imagecodecs.jpeg8_encode(film, level=100, bitspersample=12)
    yield Case("JPEG extended, 12 bits", "12 bits", uid.JPEGExtended12Bit, film, 12, stream, 4)


def jpeg_ls_cases() -> Iterator[Case]:
    for bits in (8, 16):
        stream = imagecodecs.jpegls_encode(jumps(bits))
        yield Case("JPEG-LS", f"{bits} bits", uid.JPEGLSLossless, jumps(bits), bits, stream)
    film = signed(jumps(16), 16)
    stream = imagecodecs.jpegls_encode(twos_complement(film, 16))
    yield Case("JPEG-LS, signed", "16 bits", uid.JPEGLSLossless, film, 16, stream)
    stream = imagecodecs.jpegls_encode(smooth(16), level=20)
    yield Case("JPEG-LS, near-lossless", "16 bits", uid.JPEGLSNearLossless, smooth(16), 16, stream, 20)
    stream = imagecodecs.jpegls_encode(smooth(12))
    yield Case("JPEG-LS, 12 bits coded as 16", "12 bits", uid.JPEGLSLossless, smooth(12), 12, stream)


def more_jpeg_ls_cases() -> Iterator[Case]:
    """Of other numbers of bits, which only pyjpegls writes: as many as the largest pixel has."""
    from jpeg_ls import encode_array

    for bits in (10, 12):
        film = jumps(bits)
        yield Case("JPEG-LS", f"{bits} bits", uid.JPEGLSLossless, film, bits, bytes(encode_array(film)))
        film = signed(film, bits)
        stream = bytes(encode_array(twos_complement(film, bits)))
        yield Case("JPEG-LS, signed", f"{bits} bits", uid.JPEGLSLossless, film, bits, stream)
    stream = bytes(encode_array(smooth(12), lossy_error=2))
    yield Case("JPEG-LS, near-lossless", "12 bits", uid.JPEGLSNearLossless, smooth(12), 12, stream, 2)


def jpeg_2000_cases() -> Iterator[Case]:
    for bits in (8, 10, 12, 16):
        stream = _jpeg_2000(jumps(bits), bits)
        yield Case("JPEG 2000, lossless", f"{bits} bits", uid.JPEG2000Lossless, jumps(bits), bits, stream)
    for bits in (12, 16):
        film = signed(jumps(bits), bits)
        yield Case(
            "JPEG 2000, signed", f"{bits} bits", uid.JPEG2000Lossless, film, bits, _jpeg_2000(film, bits)
        )
        stream = imagecodecs.jpeg2k_encode(smooth(bits), level=60, codecformat="j2k", bitspersample=bits)
        tolerance = 2 ** (bits - 7)
        yield Case("JPEG 2000, lossy", f"{bits} bits", uid.JPEG2000, smooth(bits), bits, stream, tolerance)
    stream = imagecodecs.htj2k_encode(jumps(16))
    yield Case("JPEG 2000, high throughput", "16 bits", uid.HTJ2KLossless, jumps(16), 16, stream)


def _jpeg_2000(film: Pixels, bits: int) -> bytes:
    return imagecodecs.jpeg2k_encode(film, reversible=True, codecformat="j2k", bitspersample=bits)


def rle_cases() -> Iterator[Case]:
    for bits in (8, 12, 16):
        case = Case("RLE", f"{bits} bits", uid.ExplicitVRLittleEndian, jumps(bits), bits, b"")
        dataset = data_set(case)
        dataset.PixelData = case.pixels.tobytes()
        dataset.compress(uid.RLELossless, encoding_plugin="pydicom")
        yield case._replace(syntax=uid.RLELossless, stream=get_frame(dataset.PixelData, 0))


def cases() -> list[Case]:
    groups = lossless_cases, jpeg_cases, jpeg_ls_cases, jpeg_2000_cases, rle_cases
    return [case for group in groups for case in group()]


def data_set(case: Case) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = case.syntax
    meta.MediaStorageSOPClassUID = uid.ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    dataset.Rows, dataset.Columns = case.pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelRepresentation = int(case.pixels.dtype.kind == "i")
    dataset.BitsAllocated = 8 * case.pixels.itemsize
    dataset.BitsStored, dataset.HighBit = case.bits, case.bits - 1
    if case.stream:
        dataset.PixelData = encapsulate([case.stream])
        dataset["PixelData"].VR = "OB"
    return dataset


def file_of(case: Case) -> bytes:
    file = BytesIO()
    data_set(case).save_as(file, enforce_file_format=True)
    return file.getvalue()


# --- decoders ---------------------------------------------------------------------------------------


def by_plugin(name: str) -> Callable[[Case], Pixels]:
    return lambda case: pixel_array(BytesIO(file_of(case)), decoding_plugin=name)


def by_laudo(case: Case) -> Pixels:
    return decoded(pydicom.dcmread(BytesIO(file_of(case))))


def by_dicomsdl(case: Case) -> Pixels:
    import dicomsdl

    return dicomsdl.open_memory(file_of(case)).pixelData(storedvalue=True)


def by_jpeg_decoder(case: Case) -> Pixels:
    from pydicom_jpeg_decoder import install_plugins

    if "pydicom-jpeg-decoder" not in JPEGBaseline8BitDecoder.available_plugins:
        install_plugins()
    return by_plugin("pydicom-jpeg-decoder")(case)


DECODERS: dict[str, tuple[str, Callable[[Case], Pixels]]] = {
    "laudo": ("imagecodecs", by_laudo),
    "pylibjpeg": ("pylibjpeg-libjpeg", by_plugin("pylibjpeg")),
    "GDCM": ("python-gdcm", by_plugin("gdcm")),
    "pyjpegls": ("pyjpegls", by_plugin("pyjpegls")),
    "Pillow": ("pillow", by_plugin("pillow")),
    "dicomsdl": ("dicomsdl", by_dicomsdl),
    "jpeg-decoder": ("pydicom-jpeg-decoder", by_jpeg_decoder),
}
"""The name in the table, the package, and how it decodes."""


def installed() -> dict[str, str]:
    """Returns the version of each decoder that is installed."""
    versions = {}
    for name, (package, _) in DECODERS.items():
        try:
            versions[name] = f"{package} {version(package)}"
        except PackageNotFoundError:
            print(f"not installed: {package}")
    return versions


def outcome(name: str, case: Case) -> str:
    try:
        decoded = DECODERS[name][1](case)
    except Exception:
        return "refused"
    if decoded.shape != case.pixels.shape:
        return "wrong shape"
    wrong = np.abs(decoded.astype(np.int64) - case.pixels) > case.tolerance
    return f"wrong {wrong.mean():.0%}" if wrong.any() else "right"


def seconds(name: str, case: Case) -> str:
    took = []
    for _ in range(3):
        start = time.perf_counter()
        if outcome(name, case) != "right":
            return "-"
        took.append(time.perf_counter() - start)
    return f"{min(took):.2f}"


def damaged(stream: bytes, seed: int) -> bytes:
    """Returns the code stream with some wrong bytes, in its head or anywhere, or also cut short."""
    rng = random.Random(seed)
    wrong, where = bytearray(stream), rng.choice(["head", "anywhere", "cut"])
    for _ in range(rng.choice([1, 2, 8])):
        wrong[rng.randrange(2, min(len(wrong), 400) if where == "head" else len(wrong))] = rng.randrange(256)
    if where == "cut":
        return bytes(wrong[: rng.randrange(20, len(wrong))]) + rng.choice([b"", b"\xff\xd9", bytes(300)])
    return bytes(wrong)


# --- processes --------------------------------------------------------------------------------------


def apart(work: Callable[..., str], jobs: list[tuple[Any, ...]]) -> list[str]:
    """Returns what `work` gives for each job, in processes that may crash or hang."""
    results: list[str] = []
    while len(results) < len(jobs):
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=_each, args=(work, jobs[len(results) :], sender)
        )
        process.start()
        sender.close()
        try:
            while receiver.poll(30):
                results.append(receiver.recv())
            results.append("hung")
        except EOFError:
            if len(results) < len(jobs):
                results.append("crashed")
        process.kill()
        process.join()
    return results


def _each(work: Callable[..., str], jobs: list[tuple[Any, ...]], sender: Any) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the libraries print what they do not like
    for job in jobs:
        sender.send(work(*job))


# --- tables -----------------------------------------------------------------------------------------


def together(outcomes: list[str]) -> str:
    """Returns one word for the films of a kind: the worst, with its share if it is not that of all."""
    worst = max(outcomes, key=lambda one: (one.startswith("wrong"), one != "right", one))
    others = sum(one.startswith(worst[:5]) for one in outcomes)
    return worst if others == len(outcomes) else f"{worst}, {others} of {len(outcomes)}"


def print_table(rows: dict[str, dict[str, str]], columns: list[str]) -> None:
    print("\n| | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
    for kind, cells in rows.items():
        print(f"| {kind} | " + " | ".join(cells[name] for name in columns) + " |")


def is_right(films: list[Case], names: list[str]) -> None:
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    for name in names:
        by_kind: dict[str, list[str]] = defaultdict(list)
        for case, found in zip(films, apart(outcome, [(name, case) for case in films]), strict=True):
            by_kind[case.kind].append(found)
        for kind, found in by_kind.items():
            rows[kind][name] = together(found)
    print_table(rows, names)


def takes(names: list[str]) -> None:
    film, file = smooth(12, 2500, 3000), BytesIO()
    Image.fromarray(smooth(8, 2500, 3000)).save(file, "JPEG", quality=95)
    films = [
        Case("JPEG lossless", "", uid.JPEGLosslessSV1, film, 12, lossless_jpeg.encode(film, bits=12)),
        Case("JPEG baseline", "", uid.JPEGBaseline8Bit, smooth(8, 2500, 3000), 8, file.getvalue(), 9),
        Case(
            "JPEG extended, 12 bits",
            "",
            uid.JPEGExtended12Bit,
            film,
            12,
            imagecodecs.jpeg8_encode(film, level=95, bitspersample=12),
            99,
        ),
        Case("JPEG-LS", "", uid.JPEGLSLossless, film, 12, imagecodecs.jpegls_encode(film)),
        Case("JPEG 2000", "", uid.JPEG2000Lossless, film, 12, _jpeg_2000(film, 12)),
    ]
    rows = {case.kind: {name: apart(seconds, [(name, case)])[0] for name in names} for case in films}
    print_table(rows, names)


def survives(films: list[Case], names: list[str], count: int) -> None:
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    kinds = ["JPEG lossless", "JPEG baseline", "JPEG extended, 12 bits", "JPEG-LS", "JPEG 2000, lossless"]
    for kind in kinds:
        case = [case for case in films if case.kind == kind][-1]
        for name in names:
            jobs = [(name, case._replace(stream=damaged(case.stream, seed))) for seed in range(count)]
            ends = Counter(apart(outcome, jobs))
            rows[kind][name] = (
                f"{ends['crashed']} + {ends['hung']}" if outcome(name, case) == "right" else "-"
            )
    print_table(rows, names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--damaged", type=int, default=400, help="damaged code streams of each kind")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    versions = installed()
    print(", ".join(versions.values()))
    names, films = list(versions), cases()
    if "pyjpegls" in versions:
        films += more_jpeg_ls_cases()
    is_right(films, names)
    print("\nSeconds for a film of 2500 x 3000")
    takes(names)
    print(f"\n{args.damaged} damaged code streams: crashes + no end within 30 seconds")
    survives(films, names, args.damaged)


if __name__ == "__main__":
    main()
