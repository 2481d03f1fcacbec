"""The pages: thin shells around the web client, which speaks the REST API."""
