"""A meeting's chat: kept, paged, and each message once however often it is sent."""
