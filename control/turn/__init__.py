"""TURN servers (RFC 8656) for those whose network lets nothing else through, and credentials for them."""
