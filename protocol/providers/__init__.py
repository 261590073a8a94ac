"""One package a provider: what may be sent, how a request is built, what every answer means."""
