"""laudo: MIMIC-CXR reports in Brazilian Portuguese, from the folder to a results page."""

import os

__version__ = "0.1.0"

# Nothing is fetched unless the user's environment says so; models are then sought among local files only. Here,
# because the hub's library reads this once, when whatever comes first (transformers, peft) imports it.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
