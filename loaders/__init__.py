"""Image loaders, one module a scheme family; each is one readable `pipe(...)`.

`BUILT_IN` is the table of contents: scheme, and the function that loads it, in alphabetical order.
"""

BUILT_IN: tuple[tuple[str, str], ...] = (
    ("data", "cornerstream.loaders.data:load"),
    ("derived", "cornerstream.loaders.derived:load"),
    ("dicomfile", "cornerstream.loaders.dicomfile:load"),
    ("dicomweb", "cornerstream.loaders.wadouri:load"),
    ("file", "cornerstream.loaders.web:load"),
    ("http", "cornerstream.loaders.web:load"),
    ("https", "cornerstream.loaders.web:load"),
    ("memory", "cornerstream.loaders.memory:load"),
    ("mpr", "cornerstream.loaders.mpr:load"),
    ("wadors", "cornerstream.loaders.wadors:load"),
    ("wadouri", "cornerstream.loaders.wadouri:load"),
    ("web", "cornerstream.loaders.web:load"),
)
