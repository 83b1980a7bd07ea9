"""MIMIC-CXR in PhysioNet's layout: tables, folders and zip, joined by key and never by position.

A corpus is MIMIC-CXR-JPG 2.0.0 or 2.1.0, or MIMIC-CXR itself (DICOM) with the split table of MIMIC-CXR-JPG
beside it. The reports come from MIMIC-CXR, unpacked or as `mimic-cxr-reports.zip`, in the same folder or in
their own. A folder named some levels too high or too low is found. The copy need not be complete:
`studies.index` has a row for every study that a table or the zip names, and the caller says which studies are
not used.
"""

from laudo.mimic.layout import (
    Corpus,
    fix_of_absent_table,
    image_folder,
    images_of,
    no_report_found,
    open_corpus,
    patient_folder,
    require_corpus,
)
from laudo.mimic.places import find_root
from laudo.mimic.reports import Reports, ReportText
from laudo.mimic.signature import Signature, signature

__all__ = [
    "Corpus",
    "ReportText",
    "Reports",
    "Signature",
    "find_root",
    "fix_of_absent_table",
    "image_folder",
    "images_of",
    "no_report_found",
    "open_corpus",
    "patient_folder",
    "require_corpus",
    "signature",
]
