"""One question a file: what a part costs, as a ratio to something measured in the same run."""
