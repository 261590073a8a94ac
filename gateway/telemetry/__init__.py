"""What the gateway tells operators. Announced to and never asked: no decision depends on anything here."""
