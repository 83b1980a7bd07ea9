"""Tables of a run on disk: what is there, whether it is up to date, how it is read and how it is made.

tables       every table's columns, key and recipe number
partition    a table, or a part of one, and what identifies it
state        what is on disk of it, and whether it is up to date
rows         its rows, verified
folder       its folder while it is written: locked, cleaned, stamped
filling      how it comes to be there, part by part
origin       when and where a part is made
content      digests of columns, parts and folders
watch        files that could not be used, and may have changed
locks        between processes that share a run
spread       work over processes and over the machines of a cluster
disk         files that are there whole or not at all
"""

from laudo.store.filling import fill, fill_together, make
from laudo.store.folder import Key, Rows, supersede
from laudo.store.locks import Held
from laudo.store.partition import Partition, Source
from laudo.store.rows import Damaged, Row, files, rows, table
from laudo.store.state import State, is_done, require, state
from laudo.store.tables import Table, used

__all__ = [
    "Damaged",
    "Held",
    "Key",
    "Partition",
    "Row",
    "Rows",
    "Source",
    "State",
    "Table",
    "files",
    "fill",
    "fill_together",
    "is_done",
    "make",
    "require",
    "rows",
    "state",
    "supersede",
    "table",
    "used",
]
