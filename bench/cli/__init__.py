"""The commands that come with bench: `pushmill bench`, `pushmill demo` and `pushmill simulate`."""
