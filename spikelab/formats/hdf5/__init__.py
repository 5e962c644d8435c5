"""HDF5 in four styles, self-describing, and raw traces to be thresholded.

Every style is a module with ``Options``, ``read`` and ``write``. What they share: ``header`` (what
a file says about itself), ``layout`` (options and header brought together), ``session`` (all
but the spike times), ``table`` and ``values`` (attributes and metadata), ``traces``.
"""
