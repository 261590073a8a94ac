"""The way out: names looked up, addresses tried side by side, TLS, and a proxy where one is set."""
