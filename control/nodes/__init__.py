"""The register of nodes: which live, which holds which room, and what they are told to do."""
