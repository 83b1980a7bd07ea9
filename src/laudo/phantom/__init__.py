"""The corpus that stands in for MIMIC-CXR, and the small models that stand in for the real ones."""
