"""One format, one file: reader, writer and options side by side."""
