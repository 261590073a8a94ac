"""Clients that send one and the same workload over one TLS connection, each in the manner of its library."""
