"""laudo: MIMIC-CXR reports in Brazilian Portuguese, from the folder to a results page."""

__version__ = "0.1.0"
