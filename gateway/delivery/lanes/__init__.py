"""What fails together, and everything that decides when its rows go out."""
