"""The public functions: exporters and the loaders that mirror them."""
