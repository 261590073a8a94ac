"""APNs: what may be sent, how a request is built, and what every answer means."""
