"""Every transfer syntax of compressed DICOM that is accepted gives the array that was encoded.

The films are those of `benchmarks/decoders.py`, which compares all decoders. Lossless JPEG is written after ITU-T T.81 by
`benchmarks/lossless_jpeg.py`, which shares no code with a decoder.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import uid

from films import DEEP, dicom
from laudo.errors import LaudoError
from laudo.images import UnreadableImage, decode

pytest.importorskip("imagecodecs", reason="imagecodecs is not installed: pip install 'laudo[dicom]'")

import lossless_jpeg
from decoders import Case, by_laudo, cases, file_of, jumps, smooth

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=[f"{case.kind}, {case.name}" for case in CASES])
def test_a_film_is_decoded_as_it_was_encoded(case: Case) -> None:
    decoded = by_laudo(case)
    assert decoded.dtype == case.pixels.dtype
    assert np.abs(decoded.astype(np.int64) - case.pixels).max() <= case.tolerance


def test_each_transfer_syntax_of_the_standard_for_one_film_is_among_the_cases() -> None:
    """PS3.5 annex A: all JPEG, JPEG-LS, JPEG 2000 and RLE; of high throughput, one of three that differ by order."""
    asked = {*uid.JPEGTransferSyntaxes, *uid.JPEGLSTransferSyntaxes, *uid.JPEG2000TransferSyntaxes}
    asked -= {uid.HTJ2K, uid.HTJ2KLosslessRPCL}
    asked -= {uid.JPEG2000MC, uid.JPEG2000MCLossless}  # several components
    assert asked | {uid.RLELossless} <= {case.syntax for case in CASES}


def test_the_writer_of_lossless_jpeg_as_worked_by_hand() -> None:
    """T.81 H.1.2.1: the first sample is predicted as 2^(P-1), the first of a row by the one above; modulo 2^16."""
    samples = np.array([[128, 130, 131], [52, 255, 0]])
    assert lossless_jpeg.differences(samples, 8, 1).tolist() == [[0, 2, 1], [-76, 203, -255]]
    assert lossless_jpeg.differences(samples, 8, 4).tolist() == [[0, 2, 1], [-76, 201, -256]]
    assert lossless_jpeg.differences(samples, 8, 7).tolist() == [[0, 2, 1], [-76, 164, -193]]
    deep = np.array([[0, 65535, 0, 32768]])
    assert lossless_jpeg.differences(deep, 16, 1).tolist() == [[32768, -1, 1, 32768]]


def test_a_difference_that_wraps_at_the_bits_of_the_film() -> None:
    """52, then 128 written as 52 - 180: as some ultrasound devices write it (pylibjpeg-libjpeg, issue 90)."""
    film = np.full((40, 40), 52, np.uint8)
    film[:, 1::2] = 128
    stream = lossless_jpeg.encode(film, bits=8, wrap_bits=8)
    assert np.array_equal(by_laudo(Case("", "", uid.JPEGLosslessSV1, film, 8, stream)), film)


# --- damaged ----------------------------------------------------------------------------------------


def written(path: Path, case: Case, stream: bytes) -> Path:
    path.write_bytes(file_of(case._replace(stream=stream)))
    return path


@pytest.mark.parametrize(
    "kind",
    ["JPEG lossless", "JPEG baseline", "JPEG extended, 12 bits", "JPEG-LS", "JPEG 2000, lossless", "RLE"],
)
@pytest.mark.parametrize("share", [0.2, 0.7, 0.97])
def test_a_code_stream_that_is_cut_short_is_refused(tmp_path: Path, kind: str, share: float) -> None:
    case = [case for case in CASES if case.kind == kind][-1]
    cut = case.stream[: int(len(case.stream) * share)]
    zeros = cut + bytes(len(case.stream) - len(cut))
    ended = cut + b"\xff\xd9"
    for stream in [cut, zeros, ended] if kind != "RLE" else [cut]:
        with pytest.raises(UnreadableImage) as caught:
            decode(written(tmp_path / "a.dcm", case, stream))
        assert "plugin" not in caught.value.reason


@pytest.mark.parametrize("selection", range(1, 8))
@pytest.mark.parametrize("rows_a_restart", [0, 8])
def test_a_lossless_jpeg_with_data_missing_before_its_end_is_refused(
    tmp_path: Path, selection: int, rows_a_restart: int
) -> None:
    film = smooth(12)
    options: dict[str, Any] = {"bits": 12, "selection": selection, "rows_a_restart": rows_a_restart}
    stream = lossless_jpeg.encode(film, **options)
    case = Case("", "", uid.JPEGLossless, film, 12, stream)
    for left in (3, 100, len(stream) // 2):
        with pytest.raises(UnreadableImage, match="data is missing"):
            decode(written(tmp_path / "a.dcm", case, stream[:-left] + b"\xff\xd9"))


def test_a_whole_film_with_a_grey_end_or_padding_is_kept(tmp_path: Path) -> None:
    film = smooth(12)
    film[60:] = 2048
    stream = lossless_jpeg.encode(film, bits=12)
    case = Case("", "", uid.JPEGLosslessSV1, film, 12, stream)
    for tail in (b"", b"\0\0", b"\0" * 100):
        assert decode(written(tmp_path / "a.dcm", case, stream + tail)).image.size == (144, 120)


def test_a_code_stream_of_another_shape_is_refused(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.kind == "JPEG baseline")
    turned = case._replace(pixels=case.pixels.T.copy())
    with pytest.raises(UnreadableImage, match=r"its code stream has the shape \(120, 144\)"):
        decode(written(tmp_path / "a.dcm", turned, case.stream))


def test_an_unknown_transfer_syntax_is_refused_by_its_name(tmp_path: Path) -> None:
    case = CASES[0]
    file = file_of(case).replace(b"1.2.840.10008.1.2.4.70", b"1.2.840.10008.1.2.4.66")
    (tmp_path / "a.dcm").write_bytes(file)
    with pytest.raises(UnreadableImage, match=r"JPEG Lossless, Hierarchical .* is not supported"):
        decode(tmp_path / "a.dcm")


# --- which decoder ----------------------------------------------------------------------------------


def test_without_its_decoder_a_film_is_refused_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pylibjpeg and GDCM, if they are installed, are not used instead."""
    by_kind = {case.kind: case for case in CASES}
    path = written(tmp_path / "a.dcm", by_kind["JPEG lossless"], by_kind["JPEG lossless"].stream)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(LaudoError, match="needs imagecodecs, which is not installed") as caught:
        decode(path)
    assert not isinstance(caught.value, UnreadableImage)
    assert caught.value.fix == "pip install 'laudo[dicom]'"
    assert np.array_equal(by_laudo(by_kind["RLE"]), by_kind["RLE"].pixels)
    assert decode(dicom(tmp_path / "b.dcm", DEEP)).warning is None


def test_no_other_decoder_is_used_though_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    import imagecodecs

    def broken(*_: object) -> None:
        raise ValueError("broken on purpose")

    monkeypatch.setattr(imagecodecs, "jpeg8_decode", broken)
    with pytest.raises(ValueError, match=r"^broken on purpose$"):
        by_laudo(CASES[0])
    film = jumps(8)
    stream = imagecodecs.jpegls_encode(film)
    assert np.array_equal(by_laudo(Case("", "", uid.JPEGLSLossless, film, 8, stream)), film)
