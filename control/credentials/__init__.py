"""What accounts are acted for by, sign-ins and API keys: good until they end, and nowhere after that."""
