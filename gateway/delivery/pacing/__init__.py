"""One policy a file, each pure enough to test without a loop: back-off, rate, retry budget, hold."""
