"""The receiving side of Web Push."""
