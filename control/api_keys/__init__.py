"""API keys: how programs act for an account, within scopes, until the key expires or is revoked."""
