"""Connections of a simulator, HTTP/2 and HTTP/1.1: bytes to requests and answers to bytes."""
