"""The engine that keeps everything in memory: for tests, and as the measure of what the others must do."""
